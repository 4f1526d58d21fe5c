import LeatTesting
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import Leat

private struct Broken: Error, CustomStringConvertible {
    var description = "broken"
}

@Suite("A stream stage", .timeLimit(.minutes(1)))
struct StageStreamTests {
    let basket = Basket<Int>()

    /// Sums of three numbers, the last ones of what is left; `check` may throw for a window.
    private func windows(
        of numbers: ClosedRange<Int>, batch: Int = 100, workers: Int = 1,
        check: @escaping @Sendable ([Int]) throws -> Void = { _ in }
    ) throws -> Pipeline {
        try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { numbers })
            Transformer(
                "sum", from: "n", to: "m",
                stream: { (stream: StageStream<Int, Int>) in
                    var window: [StageItem<Int>] = []
                    func flush() async throws {
                        try check(window.map(\.value))
                        try await stream.put([window.map(\.value).reduce(0, +)], answering: window)
                        window = []
                    }
                    for try await number in stream {
                        window.append(number)
                        if window.count == 3 { try await flush() }
                    }
                    if !window.isEmpty { try await flush() }
                }
            ).batch(batch).workers(workers).retry(RetryPolicy(attempts: 2, base: .zero, jitter: 0))
            Consumer("keep", from: "m") { (n: Int) in basket.add(n) }
        }
    }

    @Test("answers several items with one output, over the batches that they came in", arguments: [1, 2, 100])
    func sums(batch: Int) async throws {
        let run = try await windows(of: 1...10, batch: batch).runInMemory()

        #expect(basket.all == [6, 15, 24, 10])
        #expect(run.outcome == .complete)
        #expect(run["sum"]?.done == 10)
        #expect(try await run.store.verify() == [])
    }

    @Test(
        "comes to its end over a bounded queue of one group, whose items come one at a time", arguments: [false, true])
    func group(isBounded: Bool) async throws {
        let numbers = QueueReference<Int>("n", order: .byGroup { _ in "all" })
        let stage = Transformer(
            "sum", from: numbers, to: "m",
            stream: { (stream: StageStream<Int, Int>) in
                var window: [StageItem<Int>] = []
                for try await number in stream {
                    window.append(number)
                    if window.count < 3 { continue }
                    try await stream.put([window.map(\.value).reduce(0, +)], answering: window)
                    window = []
                }
                if !window.isEmpty { try await stream.put([window.map(\.value).reduce(0, +)], answering: window) }
            })
        let run = try await Pipeline("p") {
            Producer("numbers", to: numbers, repeating: { 1...20 }).batch(5)
            isBounded ? stage.capacity(10) : stage
            Consumer("keep", from: "m") { (n: Int) in basket.add(n) }
        }.runInMemory()

        #expect(run.outcome == .complete)
        #expect(basket.all == Array(1...20))
    }

    @Test("answers batches that are full, or whose time is over, and what is left at the end")
    func batches() async throws {
        let store = MemoryStore()
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...7 })
            Transformer(
                "sum", from: "n", to: "m",
                stream: { (stream: StageStream<Int, [Int]>) in
                    for try await batch in stream.batches(of: 3, within: .milliseconds(20)) {
                        try await stream.put([batch.map(\.value)], answering: batch)
                        // What comes next is put while it waits for it, and its time is over before there are three.
                        if batch.map(\.value) == [7] {
                            _ = try await store.put([8, 9].map { Output(.text("\($0)"), to: "n") })
                        }
                        if batch.contains(where: { $0.value == 9 }) { try await store.seal("n", by: "test") }
                    }
                })
            Consumer("keep", from: "m") { (all: [Int]) in basket.add(all.reduce(0) { $0 * 10 + $1 }) }
        }
        try await store.install(pipeline.plan)
        try await store.reopen("n", by: "test")

        #expect(try await pipeline.runInMemory(store: store).outcome == .complete)
        #expect(basket.all == [123, 456, 7, 89])
        #expect(try await store.verify() == [])
    }

    @Test("shares its items among its workers, and loses none", arguments: [1, 7])
    func workers(batch: Int) async throws {
        try await windows(of: 1...100, batch: batch, workers: 3).runInMemory()

        #expect(basket.all.reduce(0, +) == 5050)
    }

    @Test("invariant 3: charges the item that a call fails on, and no other of its window", arguments: [1, 2, 100])
    func culprit(batch: Int) async throws {
        let run = try await windows(of: 1...30, batch: batch) { window in if window.contains(17) { throw Broken() } }
            .runInMemory()

        #expect(run["sum"]?.dead == 1)
        #expect(try await run.store.deadLetters(of: "sum", limit: 9).map(\.item) == [ItemID(17)])
        let sum = basket.all.reduce(0, +)
        #expect(sum == 465 - 17)
        let charged = Set(try await run.store.attempts(of: "sum", item: nil, limit: 99).compactMap(\.item))
        #expect(charged == [ItemID(17)])
    }

    @Test("comes to an end though it leaves items at a drain while another is under suspicion")
    func leaves() async throws {
        let failed = Atomic(false)
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...9 })
            Consumer(
                "pairs", from: "n",
                stream: { (stream: StageStream<Int, Never>) in
                    var pair: [StageItem<Int>] = []
                    for try await number in stream {
                        pair.append(number)
                        if pair.count < 2 { continue }
                        if pair[0].value == 3, !failed.exchange(true, ordering: .relaxed) { throw Broken() }
                        try await stream.acknowledge(pair)
                        basket.add(pair.map(\.value))
                        pair = []
                    }
                    if await stream.ending == .complete {
                        try await stream.acknowledge(pair)
                        basket.add(pair.map(\.value))
                    }
                }
            ).retry(RetryPolicy(attempts: 3, base: .zero, jitter: 0))
        }.runInMemory()

        #expect(run.outcome == .complete)
        #expect(basket.all.sorted() == Array(1...9))
    }

    @Test("may hold more than its bounded queue, and is not held up by it")
    func holdsMore() async throws {
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...40 }).batch(2)
            Consumer(
                "tens", from: "n",
                stream: { (stream: StageStream<Int, Never>) in
                    var ten: [StageItem<Int>] = []
                    for try await number in stream {
                        ten.append(number)
                        if ten.count < 10 { continue }
                        try await stream.acknowledge(ten)
                        basket.add(ten.map(\.value))
                        ten = []
                    }
                    try await stream.acknowledge(ten)
                }
            ).batch(3).capacity(4)
        }.runInMemory()

        #expect(run.outcome == .complete)
        #expect(basket.all == Array(1...40))
    }

    @Test("is the stage's failure when it throws after its last answer")
    func throwsAtTheEnd() async throws {
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...3 })
            Consumer(
                "keep", from: "n",
                stream: { (stream: StageStream<Int, Never>) in
                    for try await number in stream { try await stream.acknowledge([number]) }
                    throw PermanentError("the file can't be closed")
                })
        }.runInMemory()

        #expect(run.outcome == .failed)
        #expect(run["keep"]?.reason == "the file can't be closed")
    }

    @Test("is refused in a cycle")
    func cycle() {
        let error = #expect(throws: LeatError.self) {
            try Pipeline("p") {
                Producer("numbers", to: "n", repeating: { 1...3 })
                Transformer("again", from: "n", to: "n", stream: { (_: StageStream<Int, Int>) in })
            }
        }
        #expect(error?.code == .invalidPipeline && error?.message.contains("cycle") == true)
    }

    @Test("spends an attempt of what a call leaves without an answer at the end")
    func unanswered() async throws {
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...3 })
            Consumer(
                "keep", from: "n",
                stream: { (stream: StageStream<Int, Never>) in
                    for try await number in stream where number.value != 2 {
                        basket.add(number.value)
                        try await stream.acknowledge([number])
                    }
                }
            ).retry(RetryPolicy(attempts: 2, base: .zero, jitter: 0))
        }.runInMemory()

        #expect(basket.all == [1, 3])
        #expect(run["keep"]?.dead == 1)
        #expect(try await run.store.deadLetters(of: nil, limit: 9).first?.reason.contains("without answering") == true)
    }

    @Test("fails an item as its error advises, and lets nobody answer twice")
    func fails() async throws {
        let refused = Tally()
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...4 })
            Consumer(
                "keep", from: "n",
                stream: { (stream: StageStream<Int, Never>) in
                    for try await number in stream {
                        if number.value == 3, number.context.attempt == 1 {
                            try await stream.fail(number, RetryError("later", .after(.zero)))
                        } else if number.value == 4 {
                            try await stream.fail(number, PermanentError("never"))
                        } else {
                            try await stream.acknowledge([number])
                            basket.add(number.value)
                        }
                        do {
                            try await stream.acknowledge([number])
                        } catch let error as LeatError where error.code == .refused {
                            refused.add()
                        }
                    }
                })
        }.runInMemory()

        #expect(basket.all.sorted() == [1, 2, 3])
        #expect(refused.count == 5)
        #expect(run["keep"]?.dead == 1)
        #expect(run["keep"]?.failures == 2)
    }

    @Test("makes dead letters of what it can't read, and is given the rest")
    func unreadable() async throws {
        let store = MemoryStore()
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...2 })
            Consumer(
                "keep", from: "n",
                stream: { (stream: StageStream<Int, Never>) in
                    for try await number in stream {
                        basket.add(number.value)
                        try await stream.acknowledge([number])
                    }
                })
        }
        try await store.install(pipeline.plan)
        try await store.put([Output(.text("no number"), to: "n")])

        let run = try await pipeline.runInMemory(store: store)

        #expect(basket.all == [1, 2])
        #expect(run["keep"]?.dead == 1)
    }

    @Test("drains at a stop, and hands back what it leaves")
    func drains() async throws {
        let endings = Basket<StreamEnding?>()
        let begun = AsyncStream.makeStream(of: Void.self)
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...10 })
            Consumer(
                "keep", from: "n",
                stream: { (stream: StageStream<Int, Never>) in
                    for try await number in stream {
                        if number.value == 1 { try await stream.acknowledge([number]) }
                        if number.value == 3 {
                            begun.continuation.yield()
                            // The worker was told before it: it had asked first.
                            try await gracefulShutdown()
                        }
                    }
                    endings.add(await stream.ending)
                })
        }
        let store = MemoryStore()
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        _ = try await StageWorker("numbers", of: pipeline, on: store, pid: 1, logger: logger).work()
        let worker = try StageWorker("keep", of: pipeline, on: store, pid: 1, logger: logger)
        let group = ServiceGroup(services: [worker], logger: logger)

        let task = Task { try await group.run() }
        for await _ in begun.stream { break }
        await group.triggerGracefulShutdown()
        try await task.value

        #expect(endings.all == [.drain])
        let items = try await store.items(in: "n", after: nil, limit: 99)
        let states: [ItemState] = [.done] + Array(repeating: .ready, count: 9)
        #expect(items.map(\.state) == states)
        #expect(items.map(\.attempts) == Array(repeating: 0, count: 10))
    }

    @Test("is no failure of a worker that finds nothing left")
    func nothingLeft() async throws {
        let store = MemoryStore()
        let pipeline = try windows(of: 1...9)
        try await pipeline.runInMemory(store: store)
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

        for _ in 1...3 {
            let worker = try StageWorker("sum", of: pipeline, on: store, pid: 1, logger: logger)
            #expect(try await worker.work() == .finished(.complete))
        }

        #expect(try await store.attempts(of: nil, item: nil, limit: 9) == [])
    }

    @Test("is the stage's failure when it takes nothing at all")
    func takesNothing() async throws {
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...3 })
            Consumer("keep", from: "n", stream: { (_: StageStream<Int, Never>) in })
        }.runInMemory()

        #expect(run.outcome == .failed)
        #expect(run["keep"]?.reason?.contains("without taking") == true)
        #expect(run["keep"]?.ready == 3)
    }
}
