import Foundation
import Leat
import Testing

@testable import LeatCommands

@Suite("A pipeline file that is read")
struct FileReadingTests {
    @Test("gives every key its value")
    func everything() throws {
        let file = try Samples.read(Samples.everything)

        #expect(file.name == "words")
        #expect(file.description == "Counts \"words\" <of> a day.")
        #expect(
            file.parameters == [
                ParameterEntry(name: "day", value: "2026-11-23"), ParameterEntry(name: "source", value: nil),
                ParameterEntry(name: "code", value: "007"),
            ])
        #expect(file.stages.map(\.name) == ["read", "split", "count", "answer", "total", "report"])
        #expect(file.queues.map(\.name) == ["lines", "words", "counts", "totals"])
        #expect(file.queues.first?.description == "A line each")
        #expect(file["read"]?.line == 14)
        #expect(file["other"] == nil)
    }

    @Test("takes a producer's keys")
    func producer() throws {
        let read = try #require(try Samples.read(Samples.everything)["read"])

        #expect(read.kind == .producer && read.mode == .source)
        #expect(read.command == .arguments(["cat", "in.txt", "1.50", "yes", ""]))
        #expect(read.to == .all(["lines"]) && read.from == nil)
        #expect(read.cursor == .line && read.shards == ["a", "b"] && read.workers == 2 && read.batch == 500)
        #expect(read.timeout == .milliseconds(250))
        #expect(read.environment == ["LANG": .text("C.UTF-8"), "TOKEN": .inherited])
        #expect(read.durability == .processCrash)
        #expect(read.folder == "/tmp")
    }

    @Test("takes the keys of stages with a queue, and those of the queue from wherever they stand")
    func others() throws {
        let file = try Samples.read(Samples.everything)
        let split = try #require(file["split"])
        let count = try #require(file["count"])
        let answer = try #require(file["answer"])

        #expect(split.command == .shell("tr ' ' '\n'"))
        #expect(split.to == .route(["words", "lines"]))
        #expect(split.concurrency == 4 && split.outputOrder == .asFinished)
        #expect(split.rate == Rate(50, per: .seconds(60), burst: 7))
        #expect(
            split.retry
                == RetryPolicy(attempts: 5, base: .seconds(1), cap: .seconds(300), jitter: 0.25, kills: 3))
        #expect(split.memoryLimit == 512 << 20 && split.outputLimit == 1000)
        #expect(split.capacity == 1000 && split.keep == .failed)
        #expect(count.mode == .batch && count.cardinality == .one)
        #expect(count.rate == Rate(100, per: .seconds(60)) && count.retry == RetryPolicy(attempts: 1))
        #expect(count.maxDead == .percent(5) && count.keep == .recent(.seconds(604_800)) && count.capacity == 10)
        #expect(count.groupField == "word")
        #expect(answer.proof == .echo("id") && answer.maxDead == .atMost(3) && answer.groupField == nil)
        #expect(file["total"]?.whenClosed == true && file["total"]?.mode == .batch)
        #expect(file["report"]?.after == ["total", "answer"])
    }

    @Test("has standards for what it does not say")
    func standards() throws {
        let file = try Samples.read(Samples.small)
        let use = try #require(file["use"])

        #expect(file.name == "words")
        #expect(use.mode == .item && use.workers == 1 && use.concurrency == 1 && use.batch == nil && use.rate == nil)
        #expect(use.retry == RetryPolicy() && use.timeout == nil && use.maxDead == .any && use.keep == .all)
        #expect(use.outputLimit == 64 << 20 && use.memoryLimit == nil && use.durability == .powerCut)
        #expect(file["make"]?.cursor == .line)
    }

    @Test("may use anchors and aliases for whole values")
    func aliases() throws {
        let file = try Samples.read(
            """
            stages:
              make: {produce: [seq, "3"], to: a, env: &env {A: "1"}}
              move: {transform: &cat [cat], from: a, to: b, env: *env}
              use: {consume: *cat, from: b}
            """)

        #expect(file["use"]?.command == .arguments(["cat"]))
        #expect(file["move"]?.environment == ["A": .text("1")])
    }

    @Test("keeps words with stars in a command as they are")
    func stars() throws {
        let file = try Samples.read(Samples.producer("produce: {shell: \"ls *a *b ^c\"}\nto: numbers"))

        #expect(file["make"]?.command == .shell("ls *a *b ^c"))
    }

    @Test(
        "tells a text that is no YAML, or not one document, by its line",
        arguments: [
            ("", ":1: the file is empty"),
            ("# nothing\n", ":1: the file is empty"),
            ("---\n", ":1: the file is empty"),
            ("[a]", ":1: the file must be a mapping"),
            ("stages:\n\tmake: 1\n", ":2: the line is indented with a tab"),
            ("stages:\n  a: [1\n", "this is not YAML"),
            ("stages: {}\n---\nstages: {}\n", ":2: a second document begins here"),
            ("name: a\nname: b\nstages: {}\n", ":1: the key 'name' stands here, and again"),
            ("name: a\n\"name\": b\n", ":1: the key 'name' stands here, and again"),
            ("params: {1: a, \"1\": b}\n", ":1: 'params' has the key '1' twice"),
            ("<<: {a: 1}\n", ":1: the file has a merge key"),
            ("[a]: 1\n", ":1: a key is a list"),
            ("? {a: 1}\n: 1\n", ":1: a key is a list"),
            ("name: &a x\n*a : 1\n", ":2: a key is a list, a mapping or an alias"),
            ("name: a\n\u{7}: 1\n", ":2: there is a character that can't be in YAML"),
            ("name: *nobody\n", ":1:7: this is not YAML: found undefined alias"),
            ("name: !!binary aGk=\nstages: {}\n", ":1: 'name' has the YAML tag"),
            (String(repeating: "[", count: 40) + String(repeating: "]", count: 40), ":1: the file nests values"),
        ])
    func notYAML(text: String, words: String) throws {
        let message = try Samples.refusal(text)

        #expect(message.hasPrefix("words.yaml:"))
        #expect(message.contains(words), "\(message)")
    }

    @Test("is UTF-8, with a byte order mark or without")
    func encoding() throws {
        let marked: [UInt8] = [0xEF, 0xBB, 0xBF] + Array(Samples.small.utf8)
        let latin = Array("stages:\n  # caf".utf8) + [0xE9, 0x0A]
        func read(_ bytes: [UInt8]) throws -> PipelineFile {
            try PipelineFile.parse(bytes, calling: "f.yaml", path: "/tmp/f.yaml", folder: "/tmp")
        }

        #expect(try read(marked).stages.count == 2)
        let error = try #require(throws: LeatError.self) { try read(latin) }
        #expect(error.message == "f.yaml:2: the file is not UTF-8 text; save it in that encoding.")
    }

    @Test("with lines that end as on Windows is the same")
    func carriageReturns() throws {
        let other = try Samples.read(Samples.everything)

        var file = try Samples.read(Samples.everything.replacing("\n", with: "\r\n"))

        file.bytes = other.bytes
        #expect(file == other)
    }

    @Test("whose aliases stand for billions of values is refused in a moment", arguments: [false, true])
    func bomb(asKey: Bool) throws {
        let names = Array("abcdefghij")
        var text = "params:\n  a: &a [x, x, x, x, x, x, x, x, x]\n"
        for (last, name) in zip(names, names.dropFirst()) {
            text += "  \(name): &\(name) [" + Array(repeating: "*\(last)", count: 9).joined(separator: ", ") + "]\n"
        }
        if asKey { text += "  ? *j\n  : 1\n" }
        let clock = ContinuousClock()

        var message = ""
        let taken = try clock.measure { message = try Samples.refusal(text) }

        #expect(message.hasPrefix("words.yaml:\(asKey ? 12 : 2): "), "\(message)")
        // An expansion of four billion values would take hours.
        #expect(taken < .seconds(5))
    }

    @Test("that names a long list again and again is refused before it fills the memory")
    func repeatedLists() throws {
        var text = "stages:\n  s0: {consume: &a [" + Array(repeating: "x", count: 60_000).joined(separator: ", ")
        text += "], from: q0}\n"
        for number in 1...9 { text += "  s\(number): {consume: *a, from: q\(number)}\n" }

        #expect(try Samples.refusal(text).contains("more than 100000 values"))
    }

    @Test("may have a thousand stages in a row, and no more")
    func manyStages() throws {
        func chain(_ count: Int) -> String {
            "stages:\n  s0: {produce: [x], to: q0}\n"
                + (1..<count - 1).map { "  s\($0): {transform: [x], from: q\($0 - 1), to: q\($0)}\n" }.joined()
                + "  s\(count - 1): {consume: [x], from: q\(count - 2)}\n"
        }

        #expect(try Samples.read(chain(1000)).plan(parameters: [:]).stages.count == 1000)
        #expect(try Samples.refusal(chain(1001)).hasPrefix("words.yaml:1002: this is stage 1001"))
    }

    @Test("may nest a thousand deep without ending the process")
    func deep() throws {
        for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", "")] {
            for depth in [900, 20_000] {
                let text = String(repeating: open, count: depth) + "x" + String(repeating: close, count: depth)
                #expect(try Samples.refusal(text).hasPrefix("words.yaml:1:"))
            }
        }
    }
}
