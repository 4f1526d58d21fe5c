import Leat
import Synchronization
import Testing

/// What a stage may hold, begin and do at once.
@Suite("A stage's limits", .timeLimit(.minutes(1)))
struct LimitTests {
    let basket = Basket<Int>()

    @Test("holds no more in a bounded queue than it may and one batch, and loses nothing by it")
    func bounded() async throws {
        let store = MemoryStore()
        let deepest = Mutex<[QueueName: Int64]>([:])
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...500 }).batch(10)
            Transformer("double", from: "n", to: "m") { (n: Int) in [n, n] }.batch(5).capacity(20)
            Consumer("keep", from: "m") { (n: Int) in
                basket.add(n)
                for queue in try await store.queues() {
                    let depth = queue.ready + queue.waiting + queue.leased
                    deepest.withLock { $0[queue.queue] = max($0[queue.queue] ?? 0, depth) }
                }
            }.batch(3).capacity(12)
        }.runInMemory(store: store)

        #expect(run.outcome == .complete)
        #expect(basket.all.count == 1000)
        #expect(deepest.withLock { $0["n"] ?? 0 } < 20 + 10)
        #expect(deepest.withLock { $0["m"] ?? 0 } < 12 + 2 * 5)
    }

    @Test("ends when what is left stands before a full queue of a failed stage")
    func fullBeforeFailed() async throws {
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...500 }).batch(10)
            Transformer("pass", from: "n", to: "m") { (n: Int) in n }.batch(5).capacity(20)
            Consumer("break", from: "m") { (n: Int) in throw PermanentError("broken") }.batch(1).capacity(10)
        }.runInMemory()

        #expect(run.outcome == .failed)
        #expect(run["break"]?.state == .failed)
        #expect(run["break"]!.ready >= 5)
        #expect(try await run.store.verify() == [])
    }

    @Test("begins items no faster than a stage's rate")
    func rate() async throws {
        let clock = ContinuousClock()
        let began = clock.now
        try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...12 })
            Consumer("keep", from: "n") { (n: Int) in basket.add(n) }
                .workers(3).rate(Rate(50, per: .seconds(1), burst: 2))
        }.runInMemory()

        // Two at once and ten more, a fiftieth of a second apart: it can take longer, and not shorter.
        #expect(began.duration(to: clock.now) >= .milliseconds(199))
        #expect(basket.all.sorted() == Array(1...12))
    }

    @Test("works on several items of a worker side by side, and puts their outputs in the order of the items")
    func sideBySide() async throws {
        let inHand = Atomic(0)
        let most = Atomic(0)
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...200 })
            Transformer("double", from: "n", to: "m") { (n: Int) -> [Int] in
                most.max(inHand.add(1, ordering: .sequentiallyConsistent).newValue, ordering: .sequentiallyConsistent)
                defer { inHand.subtract(1, ordering: .sequentiallyConsistent) }
                // Later items are through sooner.
                for _ in 0..<(20 - n % 20) { await Task.yield() }
                #expect(ItemContext.current?.item == ItemID(Int64(n)))
                if n == 77 { throw PermanentError("broken") }
                return [n, -n]
            }.concurrency(5)
            Consumer("keep", from: "m") { (n: Int) in basket.add(n) }
        }.runInMemory()

        #expect(basket.all == (1...200).filter { $0 != 77 }.flatMap { [$0, -$0] })
        #expect((2...5).contains(most.load(ordering: .relaxed)))
        #expect(try await run.store.deadLetters(of: nil, limit: 1000).map(\.item) == [ItemID(77)])
    }

    @Test("refuses what a stage can't have, with what to do instead")
    func impossible() {
        let stages: [(any PipelineStage, String)] = [
            (Consumer("keep", from: "n", batch: { (_: [Int]) in }).concurrency(2), "concurrency"),
            (Producer("numbers", to: "n", repeating: { 1...3 }).rate(Rate(1, per: .seconds(1))), "rate"),
            (Producer("numbers", to: "n", repeating: { 1...3 }).capacity(1), "bound"),
            (Consumer("keep", whenClosed: "n", { (_: [Int]) in }).rate(Rate(1, per: .seconds(1))), "rate"),
        ]
        for (stage, word) in stages {
            let error = #expect(throws: LeatError.self) {
                try Pipeline("p") {
                    if stage.definition.spec.input == nil {
                        stage
                        Consumer("keep", from: "n") { (_: Int) in }
                    } else {
                        Producer("numbers", to: "n", repeating: { 1...3 })
                        stage
                    }
                }
            }
            #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
        }
    }
}
