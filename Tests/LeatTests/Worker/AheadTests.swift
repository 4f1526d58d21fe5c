import Dispatch
import LeatTesting
import Synchronization
import Testing

@testable import Leat

/// What a worker does while something else is under way.
@Suite("A worker claims ahead", .timeLimit(.minutes(1)))
struct AheadTests {
    let basket = Basket<Int>()
    /// Functions let it go on, so that how long a batch takes does not depend on the machine.
    let time = ManualTime()

    @Test("and works on the next batch while one is committed, by items and by batches", arguments: [false, true])
    func overlaps(byBatches: Bool) async throws {
        let begun = DispatchSemaphore(value: 0)
        let commits = Tally()
        var store = HookedStore(MemoryStore(time: time))
        // The commit of the second batch of the consumer ends when the third is worked on: a worker that did one after
        // the other would wait for ever.
        store.onCommit = { step in
            guard step.stage == "keep", commits.add() == 2 else { return }
            #expect(begun.wait(timeout: .now() + 30) == .success)
        }
        @Sendable func see(_ number: Int) {
            basket.add(number)
            // A batch of so long is worked on beside the commit of another.
            time.advance(by: .milliseconds(4))
            if number == 7 { begun.signal() }
        }
        let keep =
            byBatches
            ? Consumer("keep", from: "n", batch: { (all: [Int]) in all.forEach(see) })
            : Consumer("keep", from: "n") { (n: Int) in see(n) }
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...12 })
            Consumer("after", after: ["numbers"]) {}
            keep.batch(3)
        }.runInMemory(store: store)

        #expect(run.outcome == .complete)
        #expect(basket.all == Array(1...12))
    }

    @Test("but not where what it puts is bounded")
    func bounded() async throws {
        let store = MemoryStore(time: time)
        let most = Atomic(0)
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...100 })
            Transformer("pass", from: "n", to: "m") { (n: Int) in
                let held = try await store.queues().first { $0.queue == "n" }?.leased ?? 0
                most.max(Int(held), ordering: .relaxed)
                // A batch of six milliseconds is one beside which the next would be claimed.
                time.advance(by: .microseconds(1500))
                return n
            }.batch(4)
            Consumer("keep", from: "m") { (n: Int) in basket.add(n) }.capacity(50)
        }.runInMemory(store: store)

        #expect(run.outcome == .complete)
        #expect(basket.all.sorted() == Array(1...100))
        #expect(most.load(ordering: .relaxed) <= 4)
    }

    @Test(
        "so that no place stands empty beside an item that takes long, and what is through is committed",
        arguments: [false, true])
    func placesAreTaken(hasOutputs: Bool) async throws {
        let store = MemoryStore()
        @Sendable func see(_ number: Int) async throws -> Int {
            basket.add(number)
            guard number == 1 else { return number }
            // Ends when all others are through and acknowledged, those of later batches too.
            var mark: ChangeMark?
            while try await store.status().first(where: { $0.stage == "see" })?.done ?? 0 < 39 {
                mark = try await store.change(since: mark, within: .milliseconds(100))
            }
            return number
        }
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...40 })
            if hasOutputs {
                Transformer("see", from: "n", to: "m", see).concurrency(2, outputs: .asFinished).batch(4)
                Consumer("keep", from: "m") { (_: Int) in }
            } else {
                Consumer("see", from: "n") { (n: Int) in _ = try await see(n) }.concurrency(2).batch(4)
            }
        }.runInMemory(store: store)

        #expect(run.outcome == .complete)
        #expect(basket.all.sorted() == Array(1...40))
    }

    @Test("and takes what is put while it works on something that takes long")
    func takesWhatComes() async throws {
        let store = MemoryStore()
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { [Int]() })
            Consumer("keep", from: "n") { (n: Int) in
                basket.add(n)
                if n == 1 {
                    _ = try await store.put([Output(.text("2"), to: "n")])
                    while !basket.all.contains(2) { try await Task.sleep(for: .milliseconds(1)) }
                    try await store.seal("n", by: "test")
                }
            }.concurrency(2)
        }
        try await store.install(pipeline.plan)
        try await store.reopen("n", by: "test")
        _ = try await store.put([Output(.text("1"), to: "n")])

        #expect(try await pipeline.runInMemory(store: store).outcome == .complete)
        #expect(basket.all == [1, 2])
    }

    @Test("and hands back what it has not begun when it is told to stop", arguments: [1, 3])
    func stops(concurrency: Int) async throws {
        let store = MemoryStore()
        let (begun, hold) = (AsyncStream.makeStream(of: Void.self), AsyncStream.makeStream(of: Void.self))
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...60 })
            Consumer("keep", from: "n") { (n: Int) in
                if n == 20 {
                    begun.continuation.yield()
                    for await _ in hold.stream { break }
                }
                basket.add(n)
            }.concurrency(concurrency).batch(5)
        }
        let run = Task { try await pipeline.runInMemory(store: store) }
        for await _ in begun.stream { break }
        run.cancel()
        hold.continuation.finish()
        await #expect(throws: CancellationError.self) { try await run.value }

        let status = try #require(try await store.status().first { $0.stage == "keep" })
        #expect(status.leased == 0)
        #expect(status.done == Int64(basket.all.count))
        #expect(Set(basket.all).count == basket.all.count)
        #expect(try await store.verify() == [])
    }

    @Test("and puts outputs in the order of the items, however long the first takes")
    func keepsOrder() async throws {
        try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...12 })
            Transformer("pass", from: "n", to: "m") { (n: Int) async throws -> Int in
                basket.add(n)
                guard n == 1 else { return n }
                while basket.all.count < 12 { try await Task.sleep(for: .milliseconds(1)) }
                // Longer than what is through would wait for it.
                try await Task.sleep(for: ItemsInHand.patience * 3)
                return n
            }.concurrency(3).batch(4)
            Consumer("keep", from: "m") { (n: Int) in basket.add(-n) }
        }.runInMemory()

        #expect(basket.all.filter { $0 < 0 } == (1...12).map { -$0 })
    }

    @Test("and loses nothing of what it has ahead when a step is refused (invariant 6)", arguments: [1, 2, 3])
    func refused(number: Int) async throws {
        let commits = Tally()
        var store = HookedStore(MemoryStore(time: time))
        store.onCommit = { step in
            guard step.stage == "keep", commits.add() == number else { return }
            throw LeatError(.stepRefused, "not this one")
        }
        let batches = Tally()
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...12 })
            Consumer("after", after: ["numbers"]) {}
            Consumer(
                "keep", from: "n",
                batch: { (all: [Int]) in
                    // It pays beside the first ones, and no more.
                    if batches.add() < number { time.advance(by: .milliseconds(6)) }
                    for value in all { basket.add(value) }
                }
            ).batch(3).retry(RetryPolicy(attempts: 2, base: .zero))
        }.runInMemory(store: store)

        #expect(run.outcome == .complete)
        #expect(run["keep"]?.done == 12)
        #expect(Set(basket.all) == Set(1...12))
    }

    @Test("and charges the one of several whose step is refused, and works on no other again (invariant 3)")
    func refusedSideBySide() async throws {
        var store = HookedStore()
        store.onCommit = { step in
            guard step.stage == "pass" else { return }
            if step.outputs.contains(where: { $0.payload == .text("5") }) { throw LeatError(.stepRefused, "no fives") }
        }
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...8 })
            Transformer("pass", from: "n", to: "m") { (n: Int) async throws -> Int in
                basket.add(n)
                if n == 1 { try await Task.sleep(for: ItemsInHand.patience * 5) }
                return n
            }.concurrency(2, outputs: .asFinished).batch(8).workers(2).retry(RetryPolicy(attempts: 2, base: .zero))
            Consumer("keep", from: "m") { (_: Int) in }
        }.runInMemory(store: store)

        #expect(run["pass"]?.done == 7)
        #expect(try await run.store.deadLetters(of: nil, limit: 9).map(\.payload) == [.text("5")])
        #expect(basket.all.sorted() == [1, 2, 3, 4, 5, 5, 6, 7, 8])
    }

    @Test("and gives up only the lease that was taken away, of several that it holds (invariant 2)")
    func takenAway() async throws {
        let store = MemoryStore()
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...12 })
            Consumer("after", after: ["numbers"]) {}
            Consumer("keep", from: "n") { (n: Int) in
                basket.add(n)
                // Its lease goes while it, and items of other leases, are worked on.
                if n == 1, basket.all.filter({ $0 == 1 }).count == 1 {
                    while basket.all.count < 6 { try await Task.sleep(for: .milliseconds(1)) }
                    try await store.skip(ItemID(1), of: "keep", by: "test")
                }
            }.concurrency(2).batch(3)
        }.runInMemory(store: store)

        #expect(run.outcome == .complete)
        #expect(run["keep"]?.skipped == 1)
        #expect(Set(basket.all) == Set(1...12))
        #expect(try await store.workers().filter { $0.stage == "keep" }.count == 1)
        #expect(try await store.verify() == [])
    }

    @Test("and takes the next of a group, and what failed, beside one that takes long, on a closed queue too")
    func closedQueue() async throws {
        let numbers = QueueReference<Int>("n", order: .byGroup { $0 == 0 ? "slow" : "quick" })
        let run = try await Pipeline("p") {
            Producer("numbers", to: numbers, repeating: { 0...10 })
            Consumer("keep", from: numbers) { (n: Int) in
                basket.add(n)
                if n == 3, basket.all.filter({ $0 == 3 }).count == 1 {
                    throw RetryError("once more", .after(.milliseconds(1)))
                }
                // Ends when all others have been through.
                while n == 0, !basket.all.contains(10) { try await Task.sleep(for: .milliseconds(1)) }
            }.concurrency(4)
        }.runInMemory()

        #expect(run.outcome == .complete)
        #expect(basket.all.filter { $0 > 0 } == [1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10])
    }
}
