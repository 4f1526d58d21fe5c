internal import Synchronization

/// The items of one lease, and which of them this process has settled.
///
/// It keeps the taker, so that what was claimed stays claimed as long as somebody has it in hand.
package final class HeldItems: Sendable {
    package let lease: Lease
    package let store: any Store
    let run: String
    private let taker: QueueTaker
    private let left: Mutex<Set<ItemID>>

    init(_ lease: Lease, _ store: any Store, _ taker: QueueTaker, _ run: String) {
        self.lease = lease
        self.store = store
        self.taker = taker
        self.run = run
        left = Mutex(Set(lease.items.map(\.id)))
    }

    /// Gives items their outcomes.
    func settle(_ outcomes: [ItemID: Outcome]) async throws {
        _ = try await store.commit(Step(.each(outcomes), of: lease), next: nil)
        wereSettled(outcomes.keys)
    }

    /// Gives all that are left one verdict; nothing, if none is.
    func settleRest(_ verdict: Verdict) async throws {
        guard left.withLock({ !$0.isEmpty }) else { return }
        _ = try await store.commit(Step(verdict, of: lease), next: nil)
        wereSettled(lease.items.map(\.id))
    }

    private func wereSettled(_ items: some Sequence<ItemID>) { left.withLock { $0.subtract(items) } }

    func renew(for duration: Duration) async throws { try await store.renew(lease, for: duration) }
}
