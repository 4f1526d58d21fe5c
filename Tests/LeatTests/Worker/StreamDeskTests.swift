import LeatTesting
import Synchronization
import Testing

@testable import Leat

/// A function that has the store's side of its call in its own hands.
@Suite("The desk of a stream stage", .timeLimit(.minutes(1)))
struct StreamDeskTests {
    private struct Broken: Error {}

    private func consumer(_ body: @escaping StreamBody) -> Consumer {
        Consumer("keep", from: "n", inputType: ValueType(Int.self), body: .stream(body))
    }

    @Test("is given all of one claim at once, and may hand back, fail and answer of it what it likes")
    func takesBatches() async throws {
        let sizes = Basket<Int>()
        let released = Atomic(false)
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...10 })
            Consumer("after", after: ["numbers"]) {}
            consumer { desk in
                while true {
                    let items = try await desk.nextBatch()
                    if items.isEmpty { break }
                    sizes.add(items.count)
                    var outcomes: [ItemID: Outcome] = [:]
                    for item in items {
                        let isFirst = item.id == ItemID(2) && !released.exchange(true, ordering: .relaxed)
                        outcomes[item.id] = isFirst ? .released : .done
                        if item.id == ItemID(5) { outcomes[item.id] = .failed(Failure("odd", .never)) }
                    }
                    try await desk.answer(outcomes, outputs: [])
                }
            }.batch(4)
        }.runInMemory()

        #expect(run.outcome == .completeWithErrors)
        #expect(run["keep"]?.done == 9 && run["keep"]?.dead == 1)
        #expect(sizes.all.first == 4 && sizes.all.reduce(0, +) == 11)
        #expect(try await run.store.verify() == [])
    }

    @Test("is given suspects of a batch by themselves, down to the culprit (invariant 3)")
    func takesSuspectBatches() async throws {
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...12 })
            Consumer("after", after: ["numbers"]) {}
            consumer { desk in
                while true {
                    let items = try await desk.nextBatch()
                    if items.isEmpty { break }
                    if items.contains(where: { $0.payload == .text("7") }) { throw Broken() }
                    try await desk.answer(Dictionary(uniqueKeysWithValues: items.map { ($0.id, .done) }), outputs: [])
                }
            }.batch(12).retry(RetryPolicy(attempts: 2, base: .zero, jitter: 0))
        }.runInMemory()

        #expect(run["keep"]?.done == 11)
        let charged = Set(try await run.store.attempts(of: "keep", item: nil, limit: 99).map(\.item))
        #expect(charged == [ItemID(7)])
    }

    @Test("is given no batch when its time is over, and goes on then")
    func batchDeadline() async throws {
        let store = MemoryStore()
        let waits = Tally()
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { [Int]() })
            consumer { desk in
                while true {
                    let items = try await desk.nextBatch(by: .now + .milliseconds(1))
                    if !items.isEmpty {
                        try await desk.answer(
                            Dictionary(uniqueKeysWithValues: items.map { ($0.id, .done) }), outputs: [])
                        try await store.seal("n", by: "test")
                    } else if await desk.ending == nil {
                        if waits.add() == 1 { _ = try await store.put([Output(.text("1"), to: "n")]) }
                    } else {
                        break
                    }
                }
            }
        }
        try await store.install(pipeline.plan)
        try await store.reopen("n", by: "test")

        #expect(try await pipeline.runInMemory(store: store).outcome == .complete)
        #expect(waits.count >= 1)
    }
}
