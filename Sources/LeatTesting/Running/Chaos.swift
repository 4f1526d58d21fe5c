public import Leat
internal import Synchronization

/// Runs a pipeline twice in memory, once undisturbed and once with workers declared dead at random moments, and holds what
/// is in its queues at the end of both against each other.
///
/// A worker that is declared dead goes on, as one does that was stopped for longer than its lease: its late step is
/// refused, and what it held is worked on again. So functions are called more often than once an item, and a pipeline
/// whose results depend on that is found out.
///
/// ```swift
/// @Test func survives() async throws {
///     let report = try await LeatTesting.chaos(pipeline(), kills: 20)
///     #expect(report.kills == 20)
/// }
/// ```
///
/// - Parameters:
///   - kills: How many workers are declared dead, if there are as many steps.
///   - seed: What the moments follow from, together with how tasks are scheduled.
/// - Throws: ``ChaosFailure`` when the two runs differ, or what a store could not do.
/// - Important: What functions do outside their outputs is not compared, and happens in both runs.
@discardableResult
public func chaos(
    _ pipeline: Pipeline, kills: Int = 20, seed: UInt64 = .random(in: 0...UInt64.max)
) async throws -> ChaosReport {
    func newStore() throws -> any Store { try pipeline.stages.lazy.compactMap(\.memoryStore).first?() ?? MemoryStore() }
    let plainStore = try newStore()
    let plain = try await pipeline.runInMemory(store: ChaosStore(plainStore, kills: 0, seed: seed))
    let base = try newStore()
    let store = ChaosStore(base, kills: kills, seed: seed)
    let disturbed = try await pipeline.runInMemory(store: store)

    let report = ChaosReport(kills: store.strikes, seed: seed, outcome: disturbed.outcome)
    guard plain.outcome == disturbed.outcome else {
        throw ChaosFailure(
            "the undisturbed run ended '\(plain.outcome.word)', the disturbed one '\(disturbed.outcome.word)'", report)
    }
    for queue in pipeline.plan.queues {
        let expected = try await contents(of: queue, in: plainStore)
        let found = try await contents(of: queue, in: base)
        for (item, count) in expected where found[item, default: 0] < count {
            throw ChaosFailure(
                "queue '\(queue)' lacks \(item) (\(found[item, default: 0]) where there should be \(count))", report)
        }
        for (item, count) in found where expected[item, default: 0] < count {
            throw ChaosFailure(
                "queue '\(queue)' has \(item) \(count) times, where there should be \(expected[item, default: 0])",
                report)
        }
    }
    let discrepancies = try await base.verify()
    guard discrepancies.isEmpty else { throw ChaosFailure("the store does not balance: \(discrepancies)", report) }
    return report
}

/// What a disturbed run was.
public struct ChaosReport: Sendable, Hashable {
    /// How many workers were declared dead.
    public let kills: Int
    public let seed: UInt64
    public let outcome: RunOutcome
}

/// A disturbed run that did not come to the same.
public struct ChaosFailure: Error, Sendable, CustomStringConvertible {
    public let difference: String
    public let report: ChaosReport

    init(_ difference: String, _ report: ChaosReport) {
        self.difference = difference
        self.report = report
    }

    public var description: String {
        "\(difference), after \(report.kills) workers were declared dead (seed \(report.seed))"
    }
}

/// What of an item must be the same in both runs.
private struct QueueItemValue: Hashable, CustomStringConvertible {
    let payload: Payload
    let state: ItemState

    var description: String { "\(state.rawValue) '\(payload.preview)'" }
}

/// How often each payload stands in a queue, in which state.
private func contents(of queue: QueueName, in store: any Store) async throws -> [QueueItemValue: Int] {
    var counts: [QueueItemValue: Int] = [:]
    var last: ItemID?
    while true {
        let items = try await store.items(in: queue, after: last, limit: 1000)
        guard let end = items.last?.id else { return counts }
        for item in items { counts[QueueItemValue(payload: item.payload, state: item.state), default: 0] += 1 }
        last = end
    }
}

/// Declares workers dead just before they commit.
private final class ChaosStore: ForwardingStore {
    let base: any Store
    private let state: Mutex<State>

    private struct State {
        var left: Int
        var strikes = 0
        var generator: SeededGenerator
        /// Leases under suspicion: a death there is charged to their item, which is not what is looked for here.
        var suspects: Set<LeaseID> = []
    }

    init(_ base: any Store, kills: Int, seed: UInt64) {
        self.base = base
        state = Mutex(State(left: kills, generator: SeededGenerator(seed: seed)))
    }

    var strikes: Int { state.withLock { $0.strikes } }

    /// One step in three, as long as there are kills left.
    private func strike(_ worker: WorkerID, _ lease: LeaseID? = nil) async throws {
        let ending = state.withLock { state -> WorkerEnding? in
            guard state.left > 0, Int.random(in: 0..<3, using: &state.generator) == 0 else { return nil }
            state.left -= 1
            state.strikes += 1
            return lease.map(state.suspects.contains) == true ? .silent : .killed
        }
        if let ending { _ = try await base.end(worker, ending) }
    }

    private func noting(_ claim: Claim?) -> Claim? {
        if let lease = claim?.lease, lease.isSuspect { state.withLock { _ = $0.suspects.insert(lease.id) } }
        return claim
    }

    func claim(_ request: ClaimRequest) async throws -> Claim {
        let claim = try await base.claim(request)
        return noting(claim) ?? claim
    }

    func commit(_ step: Step, next: ClaimRequest?) async throws -> Claim? {
        try await strike(step.worker, step.lease)
        return noting(try await base.commit(step, next: next))
    }

    func commit(_ step: TransactionalStep, next: ClaimRequest?) async throws -> Claim? {
        try await strike(step.lease.worker, step.lease.id)
        return noting(try await base.commit(step, next: next))
    }

    func commit(_ steps: [Step]) async throws {
        if let step = steps.first { try await strike(step.worker, step.lease) }
        try await base.commit(steps)
    }

    /// What only one of the runs had removed by its end would be taken for a difference.
    func prune(upTo limit: Int) async throws -> Int { 0 }

    func emit(_ emission: Emission) async throws -> QueueName? {
        try await strike(emission.hold.worker)
        return try await base.emit(emission)
    }
}
