import Leat
import Testing

@testable import LeatCommands

@Suite("A pipeline file's error")
struct FileRefusalTests {
    private static let valuesRefused: [(String, String)] = [
        (
            "timeout: 30",
            "'timeout' of stage 'use' must be a duration such as 250ms, 30s, 5m, 1h or 7d, not '30'; it has no unit: write 30s for seconds."
        ),
        ("timeout: 0s", "not '0s'; it must be longer than nothing."),
        ("timeout: 9999999999999d", "must be a duration"),
        ("timeout: [1s]", "not a list."),
        ("timeout:", "'timeout' of stage 'use' must be a duration such as 250ms, 30s, 5m, 1h or 7d, not nothing."),
        ("workers: \"2\"", "must be a whole number from 1 to 1,000, not the text '2'; leave out the quotes."),
        ("workers: 0", "not '0'."), ("workers: 1001", "not '1001'."), ("workers: 010", "not '010'."),
        ("workers: 99999999999999999999", "must be a whole number"),
        (
            "mode: bach",
            "'mode' of stage 'use' must be item, batch, stream, ack or source, not 'bach'; did you mean 'batch'?"
        ),
        ("from: Numbers", "'from' of stage 'use' must be the name of a queue: a lower-case letter"),
        (
            "consume: cat",
            "must be an argument array such as [wc, -l], or {shell: STRING}, not 'cat'; no shell looks"
        ),
        ("consume: []", "is an empty list"), ("consume: ['']", "begins with an empty argument"),
        (
            "consume: [cat, ~]",
            "element 2 of 'consume' of stage 'use' must be an argument, not nothing; put quotes around ~"
        ),
        ("consume: [cat, \"a\\0b\"]", "has a NUL character"), ("consume: [cat, [a]]", "not a list"),
        ("consume: {shell: ''}", "is empty"), ("consume: {shel: 'x'}", "did you mean 'shell'?"),
        ("consume: {}", "has no 'shell'"),
        (
            "rate: 50",
            "must be a rate such as 50/s, 100/m or 10/h, or a mapping with items, per and burst, not '50'"
        ),
        ("rate: 0/s", "must be a rate"), ("rate: {items: 5}", "has no 'per'"),
        ("retry: {base: 5m}", "'base' of 'retry' of stage 'use' is 5m, but no wait is longer than 'cap', 1m"),
        ("retry: {jitter: 1.5}", "must be a share"), ("retry: {jitter: 150%}", "must be a share"),
        ("retry: 0", "must be a number of attempts"), ("max_dead: -1", "must be a number of items"),
        ("max_dead: 101%", "must be a number of items"), ("order: strict", "must be loose, or {group: FIELD}"),
        ("limits: {memory: 512}", "it has no unit: write 512MiB, or 512B for bytes"),
        ("limits: {memory: 512mb}", "must be a size such as 64MiB"), ("keep: 0d", "must be all, failed, or an age"),
        ("env: {LEAT_ID: 1}", "the name 'LEAT_ID' in 'env' of stage 'use' must be a variable's name"),
        ("env: {1A: 1}", "must be a variable's name"),
        ("env: {A: [1]}", "'A' of 'env' of stage 'use' must be text"),
        ("cwd: /nowhere/at/all", "is to run in '/nowhere/at/all', which is no folder"),
        ("durability: memory", "must be power-cut or process-crash"),
    ]

    private static let consumersRefused: [(String, Int, String)] = [
        ("from: numbers", 5, "has no command; give it one of produce, transform or consume"),
        ("consume: [a]\ntransform: [b]\nfrom: numbers", 6, "has 'transform' and 'consume'"),
        ("consume: [a]", 6, "has neither 'from' nor 'after'"),
        ("consume: [a]\nfrom: numbers\nafter: make", 8, "has 'from' and 'after'"),
        ("consume: [a]\nfrom: numbers\nto: more", 8, "a consumer puts nothing"),
        ("transform: [a]\nfrom: numbers", 5, "has no 'to'"), ("transform: [a]\nto: more", 6, "has no 'from'"),
        ("transform: [a]\nfrom: numbers\nto: more\nafter: make", 9, "only a consumer may come after"),
        ("consume: [a]\nfrom: numbers\nmode: source", 8, "which only a producer has"),
        ("consume: [a]\nfrom: numbers\ncardinality: any", 8, "that is of mode batch"),
        ("consume: [a]\nfrom: numbers\necho: id", 8, "that is of mode stream"),
        ("consume: [a]\nfrom: numbers\nmode: stream", 8, "needs exactly one of 'echo: FIELD'"),
        ("consume: [a]\nfrom: numbers\nmode: stream\necho: id\nordered: trust", 10, "needs exactly one of"),
        ("consume: [a]\nfrom: numbers\nmode: batch\nconcurrency: 2", 9, "that is of mode item"),
        ("consume: [a]\nfrom: numbers\nconcurrency: 2\noutputs: as_taken", 9, "orders what a transformer"),
        ("consume: [a]\nfrom: numbers\ncursor: line", 8, "only a producer has one"),
        ("consume: [a]\nfrom: numbers\nshards: [a]", 8, "only a producer has them"),
        ("consume: [a]\nfrom: numbers\nwhen: closed\nmode: item", 9, "its whole input is one batch"),
        ("consume: [a]\nfrom: numbers\nwhen: closed\nmode: ack", 9, "its whole input is one batch"),
        ("consume: [a]\nfrom: numbers\nwhen: closed\nworkers: 2", 9, "one unit that one worker does"),
        ("consume: [a]\nfrom: numbers\nwhen: closed\ncapacity: 2", 9, "can't wait for room"),
        ("consume: [a]\nfrom: numbers\nwhen: closed\nkeep: failed", 9, "all of it is kept"),
        ("consume: [a]\nfrom: numbers\nwhen: closed\nrate: 1/s", 9, "have no rate"),
        ("consume: [a]\nfrom: numbers\nwhen: closed\nbatch: 2", 9, "its work is one unit"),
        ("consume: [a]\nfrom: numbers\nwhen: closed\norder: {group: a}", 9, "nothing to keep in order"),
        ("consume: [a]\nafter: make\nmode: item", 8, "is given no items"),
        ("consume: [a]\nafter: make\nworkers: 2", 8, "one unit that one worker does"),
        ("consume: [a]\nafter: make\nrate: 1/s", 8, "have no rate"),
        ("consume: [a]\nafter: [make, make]", 7, "names 'make' twice"),
    ]

    private static let producersRefused: [(String, Int, String)] = [
        ("produce: [a]", 2, "has no 'to'"), ("produce: [a]\nto: []", 4, "is an empty list"),
        ("produce: [a]\nto: numbers\nfrom: x", 5, "a producer has no input"),
        ("produce: [a]\nto: numbers\nmode: batch", 5, "a producer's is source"),
        ("produce: [a]\nto: numbers\ncursor: key", 5, "each line must bring its item's key"),
        ("produce: [a]\nto: numbers\nworkers: 2", 5, "no shards for them to share"),
        ("produce: [a]\nto: numbers\nshards: [a]\nworkers: 2", 6, "one shard"),
        ("produce: [a]\nto: numbers\nshards: [a, a]", 5, "names 'a' twice"),
        ("produce: [a]\nto: numbers\nmax_dead: 1", 5, "no items that could die"),
        ("produce: [a]\nto: numbers\nkeep: failed", 5, "give it to the stage that takes"),
        ("produce: [a]\nto: numbers\nwhen: closed", 5, "it takes from no queue"),
        ("produce: [a]\nto: {route: []}", 4, "is an empty list"),
    ]

    private static let topRefused: [(String, String)] = [
        ("nam: x\n" + Samples.small, "words.yaml:1: the file has an unknown key 'nam'; did you mean 'name'?"),
        ("name: 2x\n" + Samples.small, "words.yaml:1: 'name' must be a pipeline's name"),
        ("name: x\n", "words.yaml:1: the file has no 'stages'"), ("stages: {}\n", "'stages' is empty"),
        ("stages: {Make: {}}\n", "the name 'Make' in 'stages' must be a stage's name"),
        ("stages: {make: }\n", "stage 'make' must be a stage, not nothing"),
        ("params: {path: x, home: y}\n" + Samples.small, "parameter 'path' would be given to commands as PATH"),
        ("params: {leat_x: x}\n" + Samples.small, "as LEAT_X"),
        ("params: {A: x}\n" + Samples.small, "must be a parameter's name"),
        ("params: {a: [x]}\n" + Samples.small, "parameter 'a' must be text, not a list"),
        ("queues: {number: {}}\n" + Samples.small, "queue 'number' is named by no stage; did you mean 'numbers'?"),
        (
            "queues: {more: {}}\n" + Samples.small.replacing("to: numbers", with: "to: [numbers, more]"),
            "stage 'make' names queue 'numbers', which is not among 'queues'"
        ),
        (
            "queues: {numbers: {capacity: 5}}\n" + Samples.small + "    capacity: 6\n",
            "words.yaml:9: stage 'use' has 'capacity', which its queue has in line 1; keep one."
        ),
        (
            "params: {day: 1}\n" + Samples.small + "    env: {DAY: 2}\n",
            "words.yaml:9: 'DAY' in 'env' of stage 'use' is also what commands are given parameter 'day' as"
        ),
    ]

    @Test("names an unknown key, the nearest one and all that are allowed")
    func unknownKey() throws {
        let message = try Samples.refusal(Samples.consumer("consume: [cat]\nfrom: numbers\nretires: 3"))

        #expect(
            message.hasPrefix(
                "words.yaml:8: stage 'use' has an unknown key 'retires'; did you mean 'retry'? Allowed: description, produce, "
            ))
    }

    @Test(
        "names the key that others call so",
        arguments: [
            ("input", "from"), ("output", "to"), ("retries", "retry"), ("depends_on", "after"), ("cmd", "transform"),
        ])
    func synonyms(word: String, key: String) throws {
        #expect(try Samples.refusal(Samples.consumer("\(word): x")).contains("did you mean '\(key)'?"))
    }

    @Test(
        "tells what a value is and what it must be",
        arguments: FileRefusalTests.valuesRefused)
    func values(line: String, words: String) throws {
        let key = line.prefix { $0 != ":" }
        let others = ["consume: [cat]", "from: numbers"].filter { !$0.hasPrefix(key) }

        let message = try Samples.refusal(Samples.consumer((others + [line]).joined(separator: "\n")))

        #expect(message.hasPrefix("words.yaml:\(6 + others.count): "), "\(message)")
        #expect(message.contains(words), "\(message)")
    }

    @Test(
        "tells which keys of a consumer do not go together",
        arguments: FileRefusalTests.consumersRefused)
    func consumers(lines: String, line: Int, words: String) throws {
        let message = try Samples.refusal(Samples.consumer(lines))

        #expect(
            message.hasPrefix("words.yaml:\(line): stage 'use'") || message.contains("'after' of stage"), "\(message)")
        #expect(message.hasPrefix("words.yaml:\(line): "), "\(message)")
        #expect(message.contains(words), "\(message)")
    }

    @Test(
        "tells which keys of a producer do not go together",
        arguments: FileRefusalTests.producersRefused)
    func producers(lines: String, line: Int, words: String) throws {
        let message = try Samples.refusal(Samples.producer(lines))

        #expect(message.hasPrefix("words.yaml:\(line): "), "\(message)")
        #expect(message.contains(words), "\(message)")
    }

    @Test(
        "tells what is wrong at the top",
        arguments: FileRefusalTests.topRefused)
    func top(text: String, words: String) throws {
        let message = try Samples.refusal(text)

        #expect(message.contains(words), "\(message)")
    }

    @Test("shows no character of the file that could give a terminal an order")
    func escaping() throws {
        let message = try Samples.refusal("stages:\n  a: {\"x\\e[2J\": 1}\n")

        #expect(message.contains("x\\u{1b}[2J"))
        #expect(!message.unicodeScalars.contains("\u{1B}"))
    }

    @Test("asks for a name when the file's own can't be one")
    func fileName() throws {
        let error = try #require(throws: LeatError.self) { try Samples.read(Samples.small, name: "2-words.v1.yaml") }

        #expect(error.message.contains("its own, '2-words.v1', can't be a pipeline's"))
    }

    @Test("stays an error with a line, or none at all, whatever is changed in a good file", arguments: 1...8)
    func mutations(seed: UInt64) throws {
        var random = Seeded(seed)
        let good = Array(Samples.everything.utf8)
        let pieces = [
            "\t", "\n", "  ", ": ", "- ", "[", "]", "{", "}", "*a", "&a ", "<<: ", "'", "\"", "|\n", "#", "?", "0", "~",
            "\u{0}",
        ]
        for _ in 0..<250 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...30, using: &random)))
                case 2: bytes.insert(contentsOf: pieces.randomElement(using: &random)!.utf8, at: place)
                default:
                    let end = min(bytes.count, place + Int.random(in: 1...60, using: &random))
                    bytes.insert(
                        contentsOf: Array(bytes[place..<end]), at: Int.random(in: 0..<bytes.count, using: &random))
                }
                if bytes.isEmpty { bytes = [0x20] }
            }
            do {
                _ = try PipelineFile.parse(bytes, calling: "f.yaml", path: "/tmp/f.yaml", folder: "/tmp")
            } catch let error as LeatError {
                #expect(error.code == .invalidPipeline)
                #expect(error.message.firstMatch(of: /^f\.yaml:[1-9][0-9]*:/) != nil, "\(error.message)")
            }
        }
    }
}
