import LeatTesting
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import Leat

private let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

@Suite("A service on a queue", .timeLimit(.minutes(1)))
struct QueueServiceTests {
    let store = MemoryStore()

    private func numbers(_ values: ClosedRange<Int>, policy: QueuePolicy? = nil) async throws -> Queue<Int> {
        let numbers = try await store.queue("numbers", of: Int.self, policy: policy)
        try await numbers.put(contentsOf: values)
        return numbers
    }

    @Test("handles every item once, as many at once as it may, and ends with its queue")
    func handles() async throws {
        let numbers = try await numbers(1...50)
        try await numbers.seal()
        let seen = Mutex<[Int]>([])
        let inHand = Atomic(0)
        let most = Atomic(0)

        try await QueueService(numbers, concurrency: 4, logger: silent) { number in
            let now = inHand.add(1, ordering: .sequentiallyConsistent).newValue
            most.max(now, ordering: .sequentiallyConsistent)
            await Task.yield()
            seen.withLock { $0.append(number) }
            inHand.subtract(1, ordering: .sequentiallyConsistent)
        }.run()

        #expect(seen.withLock { $0.sorted() } == Array(1...50))
        #expect(most.load(ordering: .relaxed) <= 4)
        #expect(try await numbers.status().isFinished)
        #expect(try await store.workers().map(\.ending) == ["stopped"])
    }

    @Test("tries an item again as its error says, and waits for it before the end")
    func retries() async throws {
        let numbers = try await numbers(1...3)
        try await numbers.seal()
        let tried = Mutex<[Int: Int]>([:])

        try await QueueService(numbers, logger: silent) { number in
            let attempt = tried.withLock { tried in
                tried[number, default: 0] += 1
                return tried[number] ?? 0
            }
            #expect(ItemContext.current?.attempt == attempt)
            if number == 2, attempt < 3 { throw RetryError("not yet", .after(.milliseconds(1))) }
            if number == 3 { throw PermanentError("never") }
        }.run()

        #expect(tried.withLock { $0 } == [1: 1, 2: 3, 3: 1])
        #expect(try await numbers.status().done == 2)
        #expect(try await store.deadLetters(of: nil, limit: 9).map(\.reason) == ["never"])
    }

    @Test("spends an attempt of an item whose handler takes too long, and cancels it")
    func timesOut() async throws {
        let numbers = try await numbers(1...2, policy: QueuePolicy(retry: .never))
        try await numbers.seal()

        try await QueueService(numbers, concurrency: 2, timeout: .milliseconds(20), logger: silent) { number in
            if number == 1 { try await Task.sleep(for: .seconds(3600)) }
        }.run()

        #expect(try await numbers.status().done == 1)
        #expect(try await store.deadLetters(of: nil, limit: 9).map(\.reason) == ["no result within 0.02 seconds"])
    }

    @Test("renews the lease of what is in hand")
    func renews() async throws {
        // The store's clock stands still, so that only this test lets a lease end.
        let time = ManualTime()
        let renewed = AsyncStream.makeStream(of: Void.self)
        let count = Tally()
        var store = HookedStore(MemoryStore(time: time))
        store.onRenewed = {
            count.add()
            renewed.continuation.yield()
        }
        let numbers = try await store.queue("numbers", of: Int.self)
        let other = try await store.queue("numbers", of: Int.self)
        try await numbers.put(1)
        try await numbers.seal()
        let over = AsyncStream.makeStream(of: Void.self)
        let service = QueueService(numbers, lease: .milliseconds(30), logger: silent) { _ in
            for await _ in over.stream { break }
        }

        let task = Task { try await service.run() }
        var renewals = renewed.stream.makeAsyncIterator()
        for _ in 1...5 {
            // The first of two may have been under way when the clock went on.
            let seen = count.count
            while count.count < seen + 2 { await renewals.next() }
            time.advance(by: .milliseconds(29))
            #expect(try await other.claim(for: .seconds(1)).batch == nil)
        }
        over.continuation.yield()
        try await task.value

        #expect(try await numbers.status().done == 1)
        #expect(try await store.status().first?.refused == 0)
    }

    @Test("finishes what is in hand and claims no more on a graceful shutdown")
    func shutsDown() async throws {
        let numbers = try await numbers(1...10)
        let begun = AsyncStream.makeStream(of: Void.self)
        let service = QueueService(numbers, concurrency: 2, logger: silent) { _ in
            begun.continuation.yield()
            // The service was told before it: it had asked first.
            try await gracefulShutdown()
        }
        let group = ServiceGroup(services: [service], logger: silent)

        let task = Task { try await group.run() }
        for await _ in begun.stream { break }
        await group.triggerGracefulShutdown()
        try await task.value

        let status = try await numbers.status()
        #expect((1...2).contains(status.done))
        #expect(status.ready == 10 - status.done)
        #expect(status.leased == 0)
    }

    @Test("hands back what is in hand when its task is cancelled")
    func cancelled() async throws {
        let numbers = try await numbers(1...3)
        let begun = AsyncStream.makeStream(of: Void.self)
        let service = QueueService(numbers, logger: silent) { _ in
            begun.continuation.yield()
            try await Task.sleep(for: .seconds(3600))
        }

        let task = Task { try await service.run() }
        for await _ in begun.stream { break }
        task.cancel()
        _ = await task.result

        let records = try await store.items(in: "numbers", after: nil, limit: 9)
        #expect(records.map(\.state) == [.ready, .ready, .ready])
        #expect(records.map(\.attempts) == [0, 0, 0])
    }
}
