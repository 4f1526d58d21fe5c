import LeatTesting
import Logging
import Testing

@testable import Leat

private let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

/// How much a queue on its own holds, in which order, and for how long.
@Suite("A queue on its own has limits, and", .timeLimit(.minutes(1)))
struct QueueLimitTests {
    @Test("lets a put wait while it holds as much as it may, and go on when there is room")
    func bounded() async throws {
        let store = MemoryStore()
        let numbers = try await store.queue("numbers", of: Int.self, policy: QueuePolicy(capacity: 2))
        try await numbers.put(contentsOf: [1, 2, 3])
        let late = Task { try await numbers.put(4) }
        try await Task.sleep(for: .milliseconds(20))
        #expect(try await numbers.status().ready == 3)

        try await numbers.claim(upTo: 2, for: .seconds(60)).batch?.acknowledge()

        #expect(try await late.value)
        #expect(try await numbers.status().ready == 2)
        let given = Task { try await numbers.put(5) }
        given.cancel()
        await #expect(throws: CancellationError.self) { try await given.value }
    }

    @Test("takes the group of its values from its order, unless a put names another")
    func groups() async throws {
        let store = MemoryStore()
        let words = try await store.queue("words", of: String.self, order: .byGroup { $0.first.map { String($0) } })
        try await words.put(contentsOf: ["a1", "a2", "b1", ""])
        try await words.put("a3", group: "b")

        #expect(
            try await store.items(in: "words", after: nil, limit: 9).map(\.group) == ["a", "a", "b", nil, "b"])
        #expect(try await words.claim(upTo: 9, for: .seconds(60)).batch?.values == ["a1", "b1", ""])
    }

    @Test("lets nobody wait for room that never comes: not in what is sealed, and not who works on an item of it")
    func neverRoom() async throws {
        let store = MemoryStore()
        let numbers = try await store.queue("numbers", of: Int.self, policy: QueuePolicy(capacity: 2))
        try await numbers.put(contentsOf: [1, 2])
        let service = QueueService(numbers, concurrency: 2, logger: silent) { number in
            if number < 100 { try await numbers.put(number + 100) } else { try await numbers.seal() }
        }
        try await service.run()
        #expect(try await numbers.status().isFinished)

        try await numbers.reopen()
        try await numbers.put(contentsOf: [1, 2, 3])
        try await numbers.seal()
        let error = await #expect(throws: LeatError.self) { try await numbers.put(4) }
        #expect(error?.code == .queueClosed)
    }

    @Test("takes any duration, and what is longer than a century and a half for that", arguments: [1e10, 1e16, 9e18])
    func longTimes(seconds: Double) async throws {
        let long = Duration.seconds(Int64(seconds))
        let store = MemoryStore()
        let numbers = try await store.queue("numbers", of: Int.self)
        try await numbers.put(1, due: .after(long))
        try await numbers.put(contentsOf: [2, 3, 4])
        let items = try #require(try await numbers.claim(upTo: 9, for: long).batch).items
        try await items[0].renew(for: long)
        try await items[0].fail(RetryError("429", .after(long)))
        try await items[1].postpone(for: long, reason: "later")
        try await items[2].retry(after: long, reason: "later")
        #expect(try await numbers.status().waiting == 4)
        #expect(Schedule.every(long).tick(after: 0) ?? 0 > 0)

        try await numbers.put(5)
        try await numbers.seal()
        let service = QueueService(numbers, lease: long, timeout: long, logger: silent) { _ in }
        let run = Task { try await service.run() }
        while try await numbers.status().done == 0 { try await Task.sleep(for: .milliseconds(1)) }
        run.cancel()
        try await run.value
    }
}
