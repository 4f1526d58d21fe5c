import Foundation
import Leat
import LeatTesting
import Testing

@Suite("The oracle's log", .timeLimit(.minutes(1)))
struct OracleLogTests {
    private let path = FileManager.default.temporaryDirectory.appending(path: "leat-\(UUID().uuidString).oracle").path

    @Test("gives back what several have appended, in their order, and leaves out what a kill has cut off")
    func appending() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let name = QueueName(unchecked: String(repeating: "q", count: 63))
        let first = try OracleLog(path: path)
        let second = try OracleLog(path: path)
        let record = OracleRecord(
            .tryPut, name, token: LeaseID(.max), item: ItemID(.max), value: OracleValue(.text("a b\n")),
            key: OracleValue(key: "k"))

        first.record([record, OracleRecord(.closed, "q")])
        second.record(record)
        first.record([])
        let file = try FileHandle(forWritingTo: URL(filePath: path))
        try file.seekToEnd()
        try file.write(contentsOf: Data("claim raw".utf8))
        try file.close()

        var expected = [record, OracleRecord(.closed, "q"), record]
        for index in expected.indices { expected[index].pid = ProcessInfo.processInfo.processIdentifier }
        #expect(try first.records() == expected)
    }

    @Test("refuses a file that is none")
    func foreign() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(repeating: 65, count: 256).write(to: URL(filePath: path))

        #expect(throws: LeatError.self) { try OracleLog.records(path: path) }
    }

    @Test("of a run whose items fail, are handed on and go several ways satisfies the check")
    func run() async throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let log = try OracleLog(path: path)
        let store = log.observing(MemoryStore())
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...200 }).batch(20)
            Transformer("double", from: "n", to: "m") { (n: Int) in
                if n % 50 == 0 { throw PermanentError("fifty") }
                return n * 2
            }
            .workers(2).batch(10)
            Transformer("several", from: "m", to: "k", batch: { (values: [Int]) in values.flatMap { [$0, $0 + 1] } })
                .batch(7)
            Consumer("keep", whenClosed: "k") { (_: [Int]) in }
        }

        let run = try await pipeline.runInMemory(store: store)

        #expect(run.outcome == .completeWithErrors)
        var check = OracleCheck(try log.records(), try await OracleView(of: store))
        check.distinct = ["n", "m", "k"]
        #expect(check.findings == [])
        #expect(check.count(.okPut) == 200 + 196 + 392)
        #expect(check.count(.okAck) == 196 + 196 + 392)
        #expect(check.count(.fail) == 4)
        #expect(Set(check.records.filter { $0.kind == .closed }.map(\.queue)).isSuperset(of: ["n", "m"]))
    }
    @Test("blames the item that a batch fails by, and none that failed with it")
    func blame() async throws {
        struct Seven: Error {}
        defer { try? FileManager.default.removeItem(atPath: path) }
        let log = try OracleLog(path: path)
        let store = log.observing(MemoryStore())
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...16 })
            Consumer(
                "keep", from: "n",
                batch: { (values: [Int]) in if values.contains(7) { throw Seven() } }
            )
            .batch(16).retry(RetryPolicy(base: .zero))
        }

        _ = try await pipeline.runInMemory(store: store)

        let records = try log.records().filter { $0.kind == .fail }
        // Halved from 16 to 1, and then once for each of its attempts.
        #expect(Set(records.map(\.item)) == [ItemID(7)])
        #expect(records.count == 3)
        #expect(OracleCheck(try log.records(), try await OracleView(of: store)).findings == [])
    }
}
