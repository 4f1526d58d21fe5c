import Foundation
import GRDB
import Leat
import LeatProcess
import LeatSQLite
import Subprocess
import Testing

@testable import LeatCLI

#if canImport(System)
import System
#else
import SystemPackage
#endif

/// The tool as a process, with a standard input and output of its own.
@Suite("leat on queues", .timeLimit(.minutes(1)))
struct QueueCommandTests {
    private let folder = TemporaryFolder()
    private var database: String { folder.path("jobs.db") }

    private struct Ending {
        let status: TerminationStatus
        let output: String
        let errors: String
    }

    private func leat(_ arguments: String..., input: String = "") async throws -> Ending {
        let result = try await Subprocess.run(
            try tool(), arguments: Arguments(arguments), input: .string(input), output: .string(limit: 1 << 22),
            error: .string(limit: 1 << 16))
        return Ending(status: result.terminationStatus, output: result.standardOutput, errors: result.standardError)
    }

    private func tool() throws -> Executable {
        .path(FilePath(URL(filePath: try executablePath()).deletingLastPathComponent().appending(path: "leat").path))
    }

    private func store() async throws -> SQLiteStore { try await SQLiteStore.open(database, creating: false) }

    @Test("puts lines and takes them in their order, one or as many as asked for")
    func lines() async throws {
        let put = try await leat("put", database, "numbers", input: "1\n2\n\n4\n5")
        let one = try await leat("take", database, "numbers")
        let two = try await leat("take", database, "numbers", "--limit", "2")
        let rest = try await leat("take", database, "numbers", "--all")

        #expect(put.output == "5 items put into queue numbers\n")
        #expect(put.errors == "Queue 'numbers' is new in \(database).\n")
        #expect([one.output, two.output, rest.output] == ["1\n", "2\n\n", "4\n5\n"])
        #expect(try await store().verify() == [])
    }

    @Test("tells by its status whether something was taken, nothing is ready, or nothing will ever be")
    func statuses() async throws {
        _ = try await leat("put", database, "numbers", input: "1\n")

        #expect(try await leat("take", database, "numbers").status == .exited(0))
        #expect(try await leat("take", database, "numbers").status == .exited(20))
        #expect(
            try await leat("seal", database, "numbers").output == "queue numbers is sealed\n")
        #expect(try await leat("take", database, "numbers").status == .exited(21))
        #expect(try await leat("take", database, "numbers", "--all", "--wait").status == .exited(21))
        let refused = try await leat("put", database, "numbers", input: "2\n")
        #expect(refused.status == .exited(2) && refused.errors.contains("closed"))
        #expect(try await leat("reopen", database, "numbers").status == .exited(0))
        #expect(try await leat("put", database, "numbers", input: "2\n").status == .exited(0))
    }

    @Test("puts lines of JSON once for each key, and stops before the first that is none")
    func json() async throws {
        let put = try await leat(
            "put", database, "orders", "--as", "ndjson", "--key", "n", input: "{\"n\":1}\n\n{\"n\":\"a\"}\n{\"n\":1}\n")
        let bad = try await leat("put", database, "orders", "--as", "ndjson", input: "{\"n\":3}\n{\"n\":\n{\"n\":4}\n")
        let keyless = try await leat("put", database, "orders", "--as", "ndjson", "--key", "n", input: "{}\n")
        let taken = try await leat("take", database, "orders", "--all", "--as", "ndjson")

        #expect(put.output == "2 items put into queue orders, 1 there already\n")
        #expect(bad.status == .exited(2))
        #expect(bad.errors.contains("Before the error: 1 item put") && bad.errors.contains("Line 2 was not put"))
        #expect(keyless.status == .exited(2) && keyless.errors.contains("'n'"))
        #expect(taken.output == "{\"n\":1}\n{\"n\":\"a\"}\n{\"n\":3}\n")
    }

    @Test("gives back bytes as they were")
    func blob() async throws {
        let bytes = (0...255).map { UInt8($0) }
        let store = try await SQLiteStore.open(database)
        try await store.queue("blobs", of: [UInt8].self).put(bytes)

        let result = try await Subprocess.run(
            try tool(), arguments: ["take", database, "blobs", "--as", "blob"], output: .bytes(limit: 1024),
            error: .discarded)
        let line = try await leat("put", database, "blobs", "--as", "blob", input: "two\nlines\n")
        let refused = try await leat("take", database, "blobs")
        let taken = try await leat("take", database, "blobs", "--as", "ndjson")
        let wide = "{\"t\":\"a\u{2028}\u{85}b\"}"
        _ = try await leat("put", database, "blobs", "--as", "ndjson", input: wide + "\n")

        #expect(result.standardOutput == bytes)
        #expect(line.output == "1 item put into queue blobs\n")
        #expect(refused.status == .exited(2) && refused.errors.contains("line break") && refused.output.isEmpty)
        #expect(taken.output == "\"two\\nlines\\n\"\n")
        #expect(try await leat("take", database, "blobs", "--as", "ndjson").output == wide + "\n")
    }

    @Test("waits for items until the queue is sealed and empty")
    func waits() async throws {
        _ = try await leat("put", database, "numbers", input: "1\n")
        async let taken = leat("take", database, "numbers", "--all", "--wait")
        for number in 2...5 { _ = try await leat("put", database, "numbers", input: "\(number)\n") }
        _ = try await leat("seal", database, "numbers")

        #expect(try await taken.output == "1\n2\n3\n4\n5\n")
        #expect(try await taken.status == .exited(0))
    }

    @Test("ends a wait at a signal, and holds nothing afterwards")
    func interrupted() async throws {
        _ = try await leat("put", database, "numbers", input: "1\n")
        let result = try await Subprocess.run(
            try tool(), arguments: ["take", database, "numbers", "--all", "--wait"], input: .none,
            output: .sequence, error: .discarded
        ) { execution in
            // The first line says that it takes.
            for try await _ in execution.standardOutput { break }
            try execution.send(signal: .interrupt)
        }

        #expect(result.terminationStatus == .exited(130))
        #expect(try await store().workers().map(\.ending) == ["stopped"])
    }

    @Test("hands back what a reader that went away did not get written")
    func closedPipe() async throws {
        let numbers = (1...20_000).map { "\($0)\n" }.joined()
        _ = try await leat("put", database, "numbers", input: numbers)

        let result = try await Subprocess.run(
            try tool(), arguments: ["take", database, "numbers", "--all"], input: .none, output: .sequence,
            error: .string(limit: 1024)
        ) { execution in
            for try await _ in execution.standardOutput { break }
        }

        let queue = try #require(try await store().queues().first)
        #expect(result.terminationStatus == .exited(0), "\(result.standardError)")
        #expect(queue.leased == 0)
        #expect(queue.done + queue.ready == 20_000)
        #expect(queue.ready > 0)
        #expect(try await store().verify() == [])
    }

    /// Waits until a lease has been renewed so often.
    private func renewals(_ count: Int) async throws {
        let store = try await store()
        var (ends, mark): (Set<Int64>, ChangeMark?) = ([], nil)
        while ends.count <= count {
            mark = try await store.change(since: mark, within: .milliseconds(200))
            ends.formUnion(
                try await store.reading { db in
                    try Int64.fetchAll(db, sql: "SELECT expires_at FROM leat_leases WHERE expires_at IS NOT NULL")
                })
        }
    }

    @Test("keeps what it writes slowly, and tells who reads nothing any more from a signal")
    func slowReader() async throws {
        let wide = String(repeating: "x", count: 2000)
        _ = try await leat("put", database, "numbers", input: (1...300).map { "\($0) \(wide)\n" }.joined())
        let result = try await Subprocess.run(
            try tool(), arguments: ["take", database, "numbers", "--all", "--for", "0.5"], input: .none,
            output: .sequence, error: .string(limit: 1024)
        ) { execution in
            var numbers: [Int] = []
            for try await line in execution.standardOutput.strings() {
                numbers.append(Int(line.prefix { $0 != " " }) ?? 0)
                // While the pipe is full, for several times as long as the lease would last.
                if numbers.count == 20 { try await self.renewals(10) }
            }
            return numbers
        }

        #expect(result.terminationStatus == .exited(0), "\(result.standardError)")
        #expect(result.closureResult == Array(1...300))
        #expect(try await store().status().first?.refused == 0)
    }

    @Test("tells how much it has put when a signal ends it")
    func interruptedPut() async throws {
        let result = try await Subprocess.run(
            try tool(), arguments: ["put", database, "numbers"], input: .inputWriter, output: .discarded,
            error: .sequence
        ) { execution in
            _ = try await execution.standardInputWriter.write("1\n2\n3\n")
            var store: SQLiteStore?
            // Until the command has made it.
            while store == nil { store = try? await self.store() }
            var mark: ChangeMark?
            while try await store?.queues().first?.ready != 3 {
                mark = try await store?.change(since: mark, within: .milliseconds(200))
            }
            try execution.send(signal: .interrupt)
            var errors = ""
            for try await line in execution.standardError.strings() { errors += line }
            return errors
        }

        #expect(result.terminationStatus == .exited(130))
        #expect(result.closureResult.contains("3 items put into queue numbers"), "\(result.closureResult)")
    }

    @Test("is ended by a signal while it waits for room, having put what it says")
    func interruptedWait() async throws {
        let store = try await SQLiteStore.open(database)
        let numbers = try await store.queue("numbers", of: Int.self, policy: QueuePolicy(capacity: 2))
        try await numbers.put(contentsOf: [1, 2])

        let result = try await Subprocess.run(
            try tool(), arguments: ["put", database, "numbers"], input: .string("3\n"), output: .discarded,
            error: .sequence
        ) { execution in
            var errors = ""
            for try await line in execution.standardError.strings() {
                errors += line
                if line.contains("waiting for room") { try execution.send(signal: .terminate) }
            }
            return errors
        }

        #expect(result.terminationStatus == .exited(143), "\(result.closureResult)")
        #expect(result.closureResult.contains("0 items put into queue numbers"), "\(result.closureResult)")
        #expect(try await numbers.status().ready == 2)
    }

    @Test("puts lines of JSON into groups, and others into none; at a time, and shows both")
    func groupsAndTimes() async throws {
        let lines = """
            {"n":1,"account":"a"}
            {"n":2,"account":"a"}
            {"n":3}
            {"n":4,"account":null}
            {"n":5,"account":7}
            """
        #expect(
            try await leat("put", database, "p", "--as", "ndjson", "--group", "account", input: lines).status
                == .exited(0))
        #expect(
            try await leat("put", database, "p", "--at", "2999-12-24T18:00:00+01:00", input: "late").status
                == .exited(0))
        let peeked = try await leat("peek", database, "p", "--format", "json").output.split(separator: "\n")
        let taken = try await leat("take", database, "p", "--all")

        #expect(peeked.map { $0.contains("\"group\":\"a\"") } == [true, true, false, false, false, false])
        #expect(peeked[4].contains("\"group\":\"7\""))
        #expect(peeked[1].contains("\"state\":\"waiting\"") && !peeked[1].contains("due_at"))
        #expect(peeked[5].contains("\"due_at\":32503050000000"), "\(peeked[5])")
        #expect(try await leat("peek", database, "p").output.contains("2999-12-24T17:00:00Z"))
        #expect(taken.output.split(separator: "\n").count == 5)
        let odd = try await leat("put", database, "p", "--as", "ndjson", "--group", "n", input: "{\"n\":[]}")
        #expect(odd.status == .exited(2))
        #expect(odd.errors.contains("Line 1 was not put"), "\(odd.errors)")
    }

    @Test("lists queues with their states, as a table and as JSON")
    func queues() async throws {
        _ = try await leat("put", database, "first", input: "1\n2\n")
        _ = try await leat("put", database, "second", input: "1\n")
        _ = try await leat("take", database, "second")
        _ = try await leat("seal", database, "second")

        let table = try await leat("queues", database).output.split(separator: "\n").map { $0.split(separator: " ") }
        let lines = try await leat("queues", database, "--format", "json").output.split(separator: "\n")

        let store = try await store()
        let third = try await store.queue(
            "third", of: Int.self, policy: QueuePolicy(breaker: Breaker(firstAllDead: 1)))
        try await third.put(contentsOf: 1...2)
        try await third.claim(for: .seconds(9)).batch?.items[0].bury(reason: "broken")
        #expect(try await leat("queues", database).output.contains("third   failed"))
        #expect(try await leat("take", database, "third").status == .exited(35))
        #expect(
            table.dropFirst().map { $0.prefix(4).joined(separator: " ") } == ["first open - 2", "second finished - 0"])
        #expect(lines.count == 2 && lines[1].contains("\"state\":\"finished\""))
    }

    @Test("refuses a name or a wish that can't be, and makes no database for it")
    func wrong() async throws {
        let wishes = [
            ["put", database, "BAD"], ["put", database, "q", "--priority", "-1"], ["put", database, "q", "--key", "n"],
            ["put", database, "q", "--unique", "--as", "ndjson"], ["put", database, "q", "--group", "g"],
            ["put", database, "q", "--at", "2026-02-30T00:00:00Z"], ["put", database, "q", "--at", "tomorrow"],
            ["put", database, "q", "--at", "2026-02-28T00:00:00Z", "--delay", "3"], ["take", database, "q"],
            ["take", database, "q", "--limit", "0"], ["take", database, "q", "--all", "--as", "blob"],
            ["seal", database, "q"], ["queues", database],
        ]
        for wish in wishes {
            let ending = await CommandRunner.run(LeatTool.self, arguments: wish)
            #expect(ending.status == 2, "\(wish)")
            #expect(ending.error?.isEmpty == false, "\(wish)")
        }
        #expect(!folder.has("jobs.db"))
    }
}

@Suite("Lines out of pieces")
struct LineSplitterTests {
    @Test("are the same whatever the pieces", arguments: 1...7)
    func pieces(size: Int) throws {
        let bytes = Array("one\n\nthree\r\nfour".utf8)
        var splitter = LineSplitter(limit: 100)
        var lines: [[UInt8]] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            lines += try splitter.add(bytes[start..<min(start + size, bytes.count)])
        }
        if let last = splitter.finish() { lines.append(last) }

        #expect(lines.map { String(decoding: $0, as: UTF8.self) } == ["one", "", "three\r", "four"])
        #expect(splitter.finish() == nil)
    }

    @Test("may be no longer than their limit, ended or not")
    func limit() throws {
        var splitter = LineSplitter(limit: 3)
        #expect(try splitter.add(Array("abc\n".utf8)).count == 1)
        #expect(throws: LineSplitter.TooLong.self) { try splitter.add(Array("abcd".utf8)) }
        var other = LineSplitter(limit: 3)
        #expect(throws: LineSplitter.TooLong.self) { try other.add(Array("abcd\n".utf8)) }
    }
}

@Suite("What is JSON")
struct JSONSyntaxTests {
    @Test(
        "is taken",
        arguments: [
            "{}", "[]", " [1, -0, 2.5e-3, 10E+2] ", #"{"a":{"b":[null,true,false,"x\\y\"\u00e9é"]}}"#, "0", "\"\"",
            "-12.5",
        ])
    func valid(text: String) { #expect(JSONSyntax.isValid(Array(text.utf8))) }

    @Test(
        "is refused when it is not",
        arguments: [
            "", " ", "[1,]", "[,1]", "{\"a\":1,}", "{a:1}", "{'a':1}", "01", "+1", ".5", "1.", "1e", "-", "tru", "[1",
            "\"a",
            "\"\t\"", "\"\\x\"", "\"\\u12g4\"", "1 2", "{\"a\" 1}", "{\"a\":}", "nan", "\u{FEFF}1", "// x",
            String(repeating: "[", count: 100_000),
        ])
    func invalid(text: String) { #expect(!JSONSyntax.isValid(Array(text.utf8))) }

    @Test("is UTF-8")
    func encoding() { #expect(!JSONSyntax.isValid([0x22, 0xFF, 0x22])) }
}
