import Leat
import LeatTesting

/// A store with one of Leat's mechanisms taken away, to show that the tests see what it is there for.
final class SpoiltStore: ForwardingStore {
    enum Lack: String {
        /// A late step is refused; its outputs are put all the same.
        case fence
        /// Outputs are put in a transaction of their own, before the acknowledgement.
        case transaction
    }

    let base: any Store
    private let lack: Lack

    init(_ base: any Store, without lack: Lack) {
        self.base = base
        self.lack = lack
    }

    func commit(_ step: Step, next: ClaimRequest?) async throws -> Claim? {
        switch lack {
        case .fence:
            do {
                return try await base.commit(step, next: next)
            } catch let error as LeatError where error.code == .leaseLost {
                try await base.put(step.outputs)
                throw error
            }
        case .transaction:
            try await base.put(step.outputs)
            var step = step
            step.outputs = []
            return try await base.commit(step, next: next)
        }
    }
}
