import Dispatch
import Foundation
import LeatTesting
import Synchronization
import Testing

@testable import Leat

/// What a worker does while something else is under way.
@Suite("A worker claims ahead", .timeLimit(.minutes(1)))
struct AheadTests {
    let basket = Basket<Int>()

    @Test("and works on the next batch while one is committed, by items and by batches", arguments: [false, true])
    func overlaps(byBatches: Bool) async throws {
        let begun = DispatchSemaphore(value: 0)
        let commits = Tally()
        var store = HookedStore()
        // The commit of the second batch of the consumer ends when the third is worked on: a worker that did one after
        // the other would wait for ever.
        store.onCommit = { step in
            guard step.stage == "keep", commits.add() == 2 else { return }
            #expect(begun.wait(timeout: .now() + 30) == .success)
        }
        @Sendable func see(_ number: Int) {
            basket.add(number)
            // A batch of so long is worked on beside the commit of another.
            usleep(4000)
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
        let store = MemoryStore()
        let most = Atomic(0)
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...100 })
            Transformer("pass", from: "n", to: "m") { (n: Int) in
                let held = try await store.queues().first { $0.queue == "n" }?.leased ?? 0
                most.max(Int(held), ordering: .relaxed)
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
}
