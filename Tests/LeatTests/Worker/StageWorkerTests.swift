import LeatTesting
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import Leat

private let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

/// A store that holds ten numbers, and a worker that passes them on.
@Suite("A worker", .timeLimit(.minutes(1)))
struct StageWorkerTests {
    let basket = Basket<Int>()
    let store = MemoryStore()

    private func worker(
        _ stage: StageName, of pipeline: Pipeline, on store: MemoryStore? = nil,
        onFatal: @escaping @Sendable (WorkerFatal) -> Void = { _ in }
    ) throws -> StageWorker {
        try StageWorker(stage, of: pipeline, on: store ?? self.store, pid: 1, logger: silent, onFatal: onFatal)
    }

    private func pipeline(_ function: @escaping @Sendable (Int) async throws -> Void) throws -> Pipeline {
        try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...10 })
            Consumer("keep", from: "n", function)
        }
    }

    private func status(_ stage: StageName, on store: MemoryStore? = nil) async throws -> StageStatus {
        try #require(try await (store ?? self.store).status().first { $0.stage == stage })
    }

    @Test("finishes when its stage is complete, and says how that stands")
    func finishes() async throws {
        let pipeline = try pipeline { basket.add($0) }

        #expect(try await worker("numbers", of: pipeline).work() == .finished(.complete))
        #expect(try await worker("keep", of: pipeline).work() == .finished(.complete))
        #expect(try await store.workers().map(\.ending) == ["finished", "finished"])
        #expect(try await worker("keep", of: pipeline).work() == .finished(.complete))
    }

    @Test("commits slow items while it works on the others of their batch")
    func slow() async throws {
        let time = ManualTime()
        let store = MemoryStore(time: time)
        let doneBefore = Basket<Int64>()
        let pipeline = try pipeline { [self] _ in
            doneBefore.add(try await status("keep", on: store).done)
            time.advance(by: .milliseconds(150))
        }

        #expect(try await worker("numbers", of: pipeline, on: store).work() == .finished(.complete))
        #expect(try await worker("keep", of: pipeline, on: store).work() == .finished(.complete))

        // Each sees all those done that were worked on before it.
        #expect(doneBefore.all == Array(0..<10))
        #expect(try await store.verify() == [])
    }

    @Test("refuses a stage that the pipeline does not have, and names those that it has")
    func unknown() throws {
        let pipeline = try pipeline { _ in }
        let error = #expect(throws: LeatError.self) { try worker("keeper", of: pipeline) }

        #expect(error?.code == .notFound)
        #expect(error?.message.contains("numbers, keep") == true)
    }

    @Test("commits what it has done and hands back the rest when it is cancelled")
    func cancelled() async throws {
        let (begun, never) = (AsyncStream.makeStream(of: Void.self), AsyncStream.makeStream(of: Void.self))
        let pipeline = try pipeline { number in
            if number == 3 {
                begun.continuation.yield()
                // Ends when its task is cancelled.
                for await _ in never.stream {}
            }
            basket.add(number)
        }
        _ = try await worker("numbers", of: pipeline).work()
        let worker = try worker("keep", of: pipeline)

        let work = Task { try await worker.work() }
        for await _ in begun.stream { break }
        work.cancel()

        #expect(try await work.value == .stopped)
        #expect(basket.all == [1, 2, 3])
        let status = try await status("keep")
        #expect([status.done, status.ready, status.leased, status.failures] == [3, 7, 0, 0])
        #expect(try await store.workers().map(\.ending) == ["finished", "stopped"])
    }

    @Test("charges nobody for a function that gives up because it was cancelled")
    func interrupted() async throws {
        let (begun, never) = (AsyncStream.makeStream(of: Void.self), AsyncStream.makeStream(of: Void.self))
        let pipeline = try pipeline { _ in
            begun.continuation.yield()
            for await _ in never.stream {}
            try Task.checkCancellation()
        }
        _ = try await worker("numbers", of: pipeline).work()
        let worker = try worker("keep", of: pipeline)

        let work = Task { try await worker.work() }
        for await _ in begun.stream { break }
        work.cancel()

        #expect(try await work.value == .stopped)
        let status = try await status("keep")
        #expect([status.ready, status.failures] == [10, 0])
    }

    @Test("finishes the item in hand on a graceful shutdown, without cancelling it")
    func graceful() async throws {
        let begun = AsyncStream.makeStream(of: Void.self)
        let wasCancelled = Mutex<Bool?>(nil)
        let pipeline = try pipeline { number in
            if number == 3 {
                begun.continuation.yield()
                try await gracefulShutdown()
                wasCancelled.withLock { $0 = Task.isCancelled }
            }
            basket.add(number)
        }
        _ = try await worker("numbers", of: pipeline).work()
        let service = ServiceGroupConfiguration.ServiceConfiguration(
            service: try worker("keep", of: pipeline), successTerminationBehavior: .gracefullyShutdownGroup)
        let group = ServiceGroup(configuration: .init(services: [service], logger: silent))

        async let running: Void = group.run()
        for await _ in begun.stream { break }
        await group.triggerGracefulShutdown()
        try await running

        #expect(basket.all == [1, 2, 3])
        #expect(wasCancelled.withLock { $0 } == false)
        #expect(try await status("keep").ready == 7)
    }

    @Test("is woken from its waiting by a stop")
    func waiting() async throws {
        let store = MemoryStore()
        let pipeline = try pipeline { _ in }
        let worker = try worker("keep", of: pipeline, on: store)

        let work = Task { try await worker.work() }
        while try await store.workers().isEmpty { await Task.yield() }
        work.cancel()

        #expect(try await work.value == .stopped)
    }

    @Test("has its late commit refused and counted, and goes on under a new number (invariant 2)")
    func late() async throws {
        let isFirst = Atomic(true)
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...10 })
            Transformer("pass", from: "n", to: "m") { [store] (n: Int) in
                if isFirst.exchange(false, ordering: .relaxed) { try await store.end(WorkerID(2), .silent) }
                return n
            }
            Consumer("keep", from: "m") { (n: Int) in basket.add(n) }
        }
        for stage in ["numbers", "pass", "keep"] as [StageName] { _ = try await worker(stage, of: pipeline).work() }

        #expect(basket.all == Array(1...10))
        #expect(try await status("pass").refused == 1)
        #expect(try await store.workers().map(\.ending) == ["finished", "silent", "finished", "finished"])
        #expect(try await store.verify().isEmpty)
    }

    @Test("gives up a shard that was taken over, and puts no value twice (invariant 2)")
    func fenced() async throws {
        let isFirst = Atomic(true)
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n") { [store] (cursor: Int?) in
                try ((cursor ?? 0) + 1...10).map { number in
                    if number == 5, isFirst.exchange(false, ordering: .relaxed) {
                        try store.endBlocking(WorkerID(1), .silent, culprit: nil)
                    }
                    return Sourced(number, cursor: number)
                }
            }.batch(3)
            Consumer("keep", from: "n") { (n: Int) in basket.add(n) }
        }
        for stage in ["numbers", "keep"] as [StageName] { _ = try await worker(stage, of: pipeline).work() }

        #expect(basket.all == Array(1...10))
        #expect(try await status("numbers").refused == 1)
    }

    @Test("refuses for good to go on with a producer that can't be resumed")
    func cannotResume() async throws {
        struct Broken: Error {}
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n") {
                AsyncThrowingStream<Int, any Error> { continuation in
                    continuation.yield(1)
                    continuation.finish(throwing: Broken())
                }
            }.retry(RetryPolicy(base: .zero))
            Consumer("keep", from: "n") { (n: Int) in basket.add(n) }
        }

        guard case .failed(let reason) = try await worker("numbers", of: pipeline).work() else {
            Issue.record("the producer did not fail")
            return
        }

        #expect(reason.contains("can't go on"))
        #expect(try await status("numbers").emitted == 1)
    }

    @Test("is ended by its heartbeat when a call takes too long, and only its item is suspected (invariant 3, 7)")
    func timeout() async throws {
        let time = ManualTime()
        let terms = LeaseTerms(heartbeat: .milliseconds(10), duration: .seconds(1000))
        let store = MemoryStore(time: time, terms: terms)
        let fatals = Basket<WorkerFatal>()
        let isFatal = AsyncStream.makeStream(of: Void.self)
        let isFirst = Atomic(true)
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...10 })
            Consumer("keep", from: "n") { (n: Int) in
                if n == 4, isFirst.exchange(false, ordering: .relaxed) {
                    time.advance(by: .seconds(3))
                    for await _ in isFatal.stream { break }
                }
                basket.add(n)
            }.timeout(.seconds(2))
        }
        _ = try await worker("numbers", of: pipeline, on: store).work()

        // The process would be gone; here the late call comes back, and is refused.
        let exit = try await worker("keep", of: pipeline, on: store) { fatal in
            fatals.add(fatal)
            isFatal.continuation.yield()
        }.work()

        #expect(exit == .finished(.complete))
        #expect(fatals.all == [.timedOut("keep", item: ItemID(4), after: .seconds(2))])
        #expect(fatals.all.map(\.exitStatus) == [124])
        #expect(try await status("keep", on: store).refused == 1)
        #expect(try await store.workers().map(\.ending) == ["finished", "timed out", "finished"])
    }

    @Test("names the item that takes too long among those that are worked on side by side (invariant 3, 7)")
    func timeoutBesideOthers() async throws {
        let time = ManualTime()
        let store = MemoryStore(time: time, terms: LeaseTerms(heartbeat: .milliseconds(10), duration: .seconds(1000)))
        let (others, isFatal) = (AsyncStream.makeStream(of: Void.self), AsyncStream.makeStream(of: Void.self))
        let fatals = Basket<WorkerFatal>()
        let isFirst = Atomic(true)
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...10 })
            Consumer("keep", from: "n") { (n: Int) in
                if n == 4, isFirst.exchange(false, ordering: .relaxed) {
                    // Begun beside it, they are through when it hangs.
                    for await _ in others.stream { break }
                    time.advance(by: .seconds(3))
                    for await _ in isFatal.stream { break }
                    return
                }
                basket.add(n)
                if basket.all.count == 9 { others.continuation.yield() }
            }.concurrency(3).timeout(.seconds(2))
        }
        _ = try await worker("numbers", of: pipeline, on: store).work()

        let exit = try await worker("keep", of: pipeline, on: store) { fatal in
            fatals.add(fatal)
            isFatal.continuation.yield()
        }.work()

        #expect(exit == .finished(.complete))
        #expect(fatals.all == [.timedOut("keep", item: ItemID(4), after: .seconds(2))])
        #expect(basket.all.filter { $0 == 4 }.count == 1)
    }
}
