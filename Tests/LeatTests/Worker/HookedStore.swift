import Leat
import LeatTesting
import Synchronization

/// A store in memory that a test can hold up, or have refuse a step.
///
/// Each hook is called before its step, but for `onRenewed`; what it throws, the step throws.
struct HookedStore: ForwardingStore {
    let base: any Store
    var onBeat: @Sendable () throws -> Void = {}
    var onEndBlocking: @Sendable () throws -> Void = {}
    var onReap: @Sendable () throws -> Void = {}
    var onClaim: @Sendable () throws -> Void = {}
    var onCommit: @Sendable (Step) throws -> Void = { _ in }
    var onEmit: @Sendable (Emission) throws -> Void = { _ in }

    var onRenewed: @Sendable () throws -> Void = {}

    init(_ base: any Store = MemoryStore()) { self.base = base }

    func beat(_ worker: WorkerID) throws -> Beat {
        try onBeat()
        return try base.beat(worker)
    }
    func endBlocking(_ worker: WorkerID, _ ending: WorkerEnding, culprit: ItemID?) throws {
        try onEndBlocking()
        try base.endBlocking(worker, ending, culprit: culprit)
    }
    func reap(supervisor: Int32?) async throws -> [Reaped] {
        try onReap()
        return try await base.reap(supervisor: supervisor)
    }
    func emit(_ emission: Emission) async throws -> QueueName? {
        try onEmit(emission)
        return try await base.emit(emission)
    }

    func renew(_ lease: Lease, for duration: Duration) async throws {
        try await base.renew(lease, for: duration)
        try onRenewed()
    }
    func claim(_ request: ClaimRequest) async throws -> Claim {
        try onClaim()
        return try await base.claim(request)
    }
    func claimAll(_ stage: StageName, worker: WorkerID) async throws -> Claim {
        try onClaim()
        return try await base.claimAll(stage, worker: worker)
    }
    func commit(_ step: Step, next: ClaimRequest?) async throws -> Claim? {
        try onCommit(step)
        return try await base.commit(step, next: next)
    }
}

/// Counts what happened.
final class Tally: Sendable {
    private let state = Atomic(0)

    var count: Int { state.load(ordering: .acquiring) }
    /// - Returns: the count with this one.
    @discardableResult
    func add(_ more: Int = 1) -> Int { state.add(more, ordering: .acquiringAndReleasing).newValue }
}
