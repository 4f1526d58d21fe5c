import LeatTesting
import Testing

@testable import Leat

/// What only the in-memory store promises; what every store does is in the conformance suite.
@Suite("The in-memory store by itself")
struct MemoryStoreTests {
    private let time = ManualTime()

    private func plan(_ policy: StagePolicy = StagePolicy()) throws -> Plan {
        try Plan(
            pipeline: "squares",
            stages: [
                StageSpec("numbers", kind: .producer, outputs: ["n"]),
                StageSpec("square", kind: .transformer, input: "n", outputs: ["squares"]),
                StageSpec("total", kind: .consumer, input: "squares", takesAll: true, policy: policy),
            ])
    }

    private func store(_ policy: StagePolicy = StagePolicy()) async throws -> MemoryStore {
        let store = MemoryStore(time: time)
        try await store.install(plan(policy))
        return store
    }

    private func end(_ store: MemoryStore, numbers: Int) async throws {
        let worker = try await store.enroll(Enrollment(stage: "numbers", pid: 1))
        guard case .opened(let hold) = try await store.open(ShardID("numbers"), by: worker) else {
            Issue.record("the shard was not opened")
            return
        }
        let outputs = (0..<numbers).map { Output(.text("\($0)"), to: "n") }
        try await store.emit(Emission(hold, outputs: outputs, cursor: nil, isLast: true))
        try await store.end(worker, .finished)
    }

    // MARK: Whole inputs

    @Test("grants a whole input that is empty, so that its stage runs once")
    func emptyWhole() async throws {
        let store = try await store()
        try await end(store, numbers: 0)
        let worker = try await store.enroll(Enrollment(stage: "total", pid: 1))
        #expect(try await store.status().last?.state == .running)

        let lease = try #require(try await store.claimAll("total", worker: worker).lease)
        _ = try await store.commit(Step(.done, of: lease, endsStage: true), next: nil)

        #expect(lease.items.isEmpty)
        #expect(try await store.claimAll("total", worker: worker) == .finished)
        #expect(try await store.status().map(\.state) == [.complete, .complete, .complete])
    }

    @Test("charges the stage for a whole input that fails, and trips it when its budget is used up")
    func failedWhole() async throws {
        let store = try await store(StagePolicy(crashes: 2))
        try await end(store, numbers: 2)
        let worker = try await store.enroll(Enrollment(stage: "square", pid: 1))
        let lease = try #require(
            try await store.claim(ClaimRequest("square", worker: worker, limit: 9)).lease)
        let outputs = lease.items.map { Output($0.payload, to: "squares") }
        _ = try await store.commit(Step(.done, of: lease, outputs: outputs), next: nil)
        let last = try await store.enroll(Enrollment(stage: "total", pid: 1))

        for _ in 0..<2 {
            let whole = try #require(try await store.claimAll("total", worker: last).lease)
            _ = try await store.commit(Step(.failedTogether(Failure("no paper")), of: whole), next: nil)
        }

        let status = try #require(try await store.status().last)
        #expect(status.state == .failed)
        #expect(status.reason == "it failed 2 times in a row, the last time: no paper")
        #expect(status.ready == 2)
        #expect(try await store.items(in: "squares", after: nil, limit: 9).allSatisfy { $0.suspect == 0 })
    }

    @Test("takes a whole input away from its worker when a retry upstream reopens it")
    func reopenedWhole() async throws {
        let store = try await store()
        try await end(store, numbers: 1)
        let worker = try await store.enroll(Enrollment(stage: "square", pid: 1))
        let lease = try #require(try await store.claim(ClaimRequest("square", worker: worker, limit: 9)).lease)
        let failure = Outcome.failed(Failure("odd", .never))
        _ = try await store.commit(Step(.each([ItemID(1): failure]), of: lease), next: nil)
        let last = try await store.enroll(Enrollment(stage: "total", pid: 1))
        let whole = try #require(try await store.claimAll("total", worker: last).lease)

        #expect(try await store.retry("square", by: "test") == 1)

        let late = await #expect(throws: LeatError.self) {
            try await store.commit(Step(.done, of: whole, endsStage: true), next: nil)
        }
        #expect(late?.code == .leaseLost)
        #expect(try await store.claimAll("total", worker: last) == .nothing(until: nil))
        #expect(try await store.verify() == [])
    }

    // MARK: Transactions and silence

    @Test("refuses work inside a transaction, and says what it needs")
    func noTransactions() async throws {
        let store = try await store()
        try await store.put([Output(.text("1"), to: "n")])
        let worker = try await store.enroll(Enrollment(stage: "square", pid: 1))
        let lease = try #require(try await store.claim(ClaimRequest("square", worker: worker, limit: 9)).lease)

        let error = await #expect(throws: LeatError.self) {
            try await store.commit(TransactionalStep(of: lease) { _, _ in [] }, next: nil)
        }

        #expect(error?.code == .refused)
        #expect(error?.message.contains("needs a database") == true)
        #expect(try await store.items(in: "n", after: nil, limit: 1).map(\.state) == [.leased])
    }

    @Test("reaps a silent worker for its own supervisor too, which would not learn of its silence")
    func silence() async throws {
        let store = try await store()
        let worker = try await store.enroll(Enrollment(stage: "square", pid: 1, supervisor: 7))
        time.advance(by: store.terms.duration)
        #expect(try await store.reap(supervisor: 7).isEmpty)

        time.advance(by: .milliseconds(1))

        let reaped = Reaped(worker: worker, stage: "square", ending: .silent, account: .nobody)
        #expect(try await store.reap(supervisor: 7) == [reaped])
        #expect(try store.beat(worker) == .lost)
    }

    // MARK: Waiting

    @Test("wakes everybody who waits")
    func wakes() async throws {
        let store = try await store()
        let mark = try await store.change(since: nil, within: .seconds(600))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 1...4 {
                group.addTask { _ = try await store.change(since: mark, within: .seconds(600)) }
            }
            group.addTask { _ = try await store.put([Output(.text("1"), to: "n")]) }
            try await group.waitForAll()
        }
    }

    @Test("throws when a waiting task is cancelled")
    func waitEnds() async throws {
        let store = try await store()
        let mark = try await store.change(since: nil, within: .seconds(600))

        let waiting = Task { try await store.change(since: mark, within: .seconds(600)) }
        waiting.cancel()

        await #expect(throws: CancellationError.self) { _ = try await waiting.value }
    }

    // MARK: The state

    @Test("invariant 6: finds counts that do not agree with the items")
    func audit() throws {
        var state = MemoryState()
        try state.install(plan())
        _ = try state.put([Output(.text("1"), to: "n")], at: MemoryMoment(time))
        #expect(try state.verify() == [])

        state.stages[1].acknowledged += 1
        state.stages[0].emitted["n"] = 2
        state.queues[0].isClosed = true

        #expect(
            try state.verify().map(\.what) == [
                "items of stage numbers in queue n", "whether queue n is closed",
                "items put by the shards of stage numbers", "done items of queue n",
            ])
    }

    @Test("changes nothing when one of several outputs can't be put")
    func wholeOrNothing() async throws {
        let store = try await store()

        await #expect(throws: LeatError.self) {
            try await store.put([Output(.text("1"), to: "n"), Output(.text("2"), to: "elsewhere")])
        }

        #expect(try await store.items(in: "n", after: nil, limit: 9).isEmpty)
    }

    @Test("a heap gives back in order what it was given, in whatever order")
    func heap() {
        var generator = SeededGenerator(seed: 1)
        let numbers = (0..<200).map { _ in Int.random(in: 0..<50, using: &generator) }
        var heap = MemoryHeap<Int>()

        for number in numbers { heap.insert(number) }

        #expect((0..<200).compactMap { _ in heap.removeFirst() } == numbers.sorted())
        #expect(heap.removeFirst() == nil)
    }
}
