import LeatTesting
import Logging
import Testing

@testable import Leat

private let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
private let refusal = LeatError(.stepRefused, "The database refused what the step wrote.")

/// What a worker does when its store can't, or won't, do a step.
@Suite("A worker whose store refuses", .timeLimit(.minutes(1)))
struct StoreTroubleTests {
    let basket = Basket<Int>()

    private func work(
        _ stages: StageName..., of pipeline: Pipeline, on store: HookedStore
    ) async throws -> WorkerExit? {
        var exit: WorkerExit?
        for stage in stages {
            exit = try await StageWorker(stage, of: pipeline, on: store, pid: 1, logger: silent, onFatal: { _ in })
                .work()
        }
        return exit
    }

    private func pipeline() throws -> Pipeline {
        try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...10 })
            Transformer("pass", from: "n", to: "m") { (n: Int) in n }
                .retry(RetryPolicy(attempts: 1)).maxDead(.any).breaker(.off)
            Consumer("keep", from: "m") { [basket] (n: Int) in basket.add(n) }
        }
    }

    @Test("a step for what one item gave finds that item, and charges no other (invariant 3)")
    func refusedItem() async throws {
        let pipeline = try pipeline()
        var store = HookedStore()
        store.onCommit = { step in
            if step.outputs.contains(where: { $0.parent == ItemID(7) }) { throw refusal }
        }

        #expect(try await work("numbers", "pass", "keep", of: pipeline, on: store) == .finished(.complete))

        #expect(basket.all.sorted() == [1, 2, 3, 4, 5, 6, 8, 9, 10])
        let dead = try await store.deadLetters(of: nil, limit: 10)
        #expect(dead.map(\.item) == [ItemID(7)])
        #expect(dead.first?.reason.contains("refused") == true)
        #expect(try await store.workers().map(\.ending) == ["finished", "finished", "finished"])
        #expect(try await store.verify().isEmpty)
    }

    @Test("the step of a whole input spends the stage's crash budget, and ends")
    func refusedWhole() async throws {
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...10 })
            Consumer("total", whenClosed: "n") { (_: [Int]) in }.crashes(2).retry(RetryPolicy(base: .zero))
        }
        var store = HookedStore()
        store.onCommit = { if $0.endsStage { throw refusal } }

        guard case .failed = try await work("numbers", "total", of: pipeline, on: store) else {
            Issue.record("the stage did not fail")
            return
        }

        #expect(try await store.workers().map(\.ending) == ["finished", "failed", "failed", "finished"])
    }

    @Test("a producer's step spends the stage's crash budget, and ends")
    func refusedEmission() async throws {
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...10 }).crashes(2).retry(RetryPolicy(base: .zero))
            Consumer("keep", from: "n") { (_: Int) in }
        }
        var store = HookedStore()
        store.onEmit = { _ in throw refusal }

        guard case .failed = try await work("numbers", of: pipeline, on: store) else {
            Issue.record("the stage did not fail")
            return
        }

        #expect(try await store.workers().map(\.ending) == ["failed", "failed", "finished"])
    }

    @Test("a step for want of room or of the lock tries it again, and does no work twice")
    func passing() async throws {
        let pipeline = try pipeline()
        let (emissions, claims, commits) = (Tally(), Tally(), Tally())
        var store = HookedStore()
        store.onEmit = { _ in if emissions.add() == 1 { throw LeatError(.diskFull, "Full.") } }
        store.onClaim = { if claims.add() == 1 { throw LeatError(.busy, "Locked.") } }
        store.onCommit = { _ in if commits.add() == 1 { throw LeatError(.diskFull, "Full.") } }

        #expect(try await work("numbers", "pass", "keep", of: pipeline, on: store) == .finished(.complete))

        #expect(basket.all == Array(1...10))
        #expect(try await store.workers().map(\.ending) == ["finished", "finished", "finished"])
    }

    @Test("a step for want of room ends when it is told to stop, and hands back what it held")
    func passingAtStop() async throws {
        let pipeline = try pipeline()
        let refused = AsyncStream.makeStream(of: Void.self)
        var store = HookedStore()
        store.onCommit = { _ in
            refused.continuation.yield()
            throw LeatError(.diskFull, "Full.")
        }
        _ = try await work("numbers", of: pipeline, on: store)
        let hooked = store

        let running = Task { try await work("pass", of: pipeline, on: hooked) }
        for await _ in refused.stream { break }
        running.cancel()

        await #expect(throws: LeatError.self) { try await running.value }
        #expect(try await store.workers().map(\.ending) == ["finished", "stopped"])
        #expect(try await store.status().first { $0.stage == "pass" }?.ready == 10)
    }

    @Test("a step for a reason of its own ends as failed, so that it does not come back for ever")
    func broken() async throws {
        let pipeline = try pipeline()
        var store = HookedStore()
        store.onCommit = { _ in throw LeatError(.storeFailed, "Damaged.") }
        _ = try await work("numbers", of: pipeline, on: store)
        let hooked = store

        await #expect(throws: LeatError.self) { try await work("pass", of: pipeline, on: hooked) }

        #expect(try await store.workers().map(\.ending) == ["finished", "failed"])
    }

    @Test("looks after the store about once a second while it is busy")
    func tidies() async throws {
        let time = ManualTime()
        let reaps = Tally()
        var store = HookedStore(
            MemoryStore(time: time, terms: LeaseTerms(heartbeat: .seconds(100), duration: .seconds(10_000))))
        store.onReap = { reaps.add() }
        let seen = Basket<Int>()
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n") { (cursor: Int?) in
                ((cursor ?? 0) + 1...4).lazy.map { number in
                    time.advance(by: .milliseconds(600))
                    return Sourced(number, cursor: number)
                }
            }.batch(1)
            Consumer("keep", from: "n") { (_: Int) in
                seen.add(reaps.count)
                time.advance(by: .milliseconds(600))
            }.batch(1)
        }

        _ = try await work("numbers", of: pipeline, on: store)
        #expect(reaps.count == 2)
        _ = try await work("keep", of: pipeline, on: store)

        #expect(seen.all == [2, 2, 3, 3])
    }

    @Test("a late step while it is told to stop begins no new life")
    func lateAtStop() async throws {
        let pipeline = try pipeline()
        let (begun, isStopped) = (AsyncStream.makeStream(of: Void.self), Bell())
        var hooked = HookedStore()
        hooked.onCommit = { [base = hooked.base] _ in
            begun.continuation.yield()
            // The lease is taken away, and the stop comes, before the step does.
            try base.endBlocking(WorkerID(2), .silent, culprit: nil)
            isStopped.wait(for: .seconds(50))
        }
        _ = try await work("numbers", of: pipeline, on: hooked)
        let late = hooked

        let running = Task { try await work("pass", of: pipeline, on: late) }
        for await _ in begun.stream { break }
        running.cancel()
        isStopped.ring()

        #expect(try await running.value == .stopped)
        #expect(try await hooked.workers().map(\.ending) == ["finished", "silent"])
    }

    @Test("a stage with a budget of one crash is charged with one for what can't be mended")
    func oneCrash() async throws {
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n") { () throws -> [Int] in throw PermanentError("gone") }.crashes(1)
            Consumer("keep", from: "n") { (_: Int) in }
        }
        let store = HookedStore()

        guard case .failed = try await work("numbers", of: pipeline, on: store) else {
            Issue.record("the stage did not fail")
            return
        }

        #expect(try await store.workers().map(\.ending) == ["failed", "finished"])
    }
}
