/// Something that must not be, found by ``OracleCheck``.
public struct OracleFinding: Sendable, Hashable, CustomStringConvertible {
    /// What was to hold.
    public enum Condition: String, Sendable, Hashable, CaseIterable {
        /// Each committed put is done, dead or skipped, and each acknowledged item done.
        case lost
        /// The store holds nothing that nobody tried to put.
        case unexpected
        /// Each value stands there as often as one attempt of each input gave it, and each effect once.
        case duplicated
        /// The outputs of a done item are those of one attempt, and of an item that isn't done there are none.
        case outputs
        /// One item is acknowledged once, under one token.
        case acknowledgedTwice = "acknowledged twice"
        /// Nothing is committed under a token that was refused.
        case lateAcknowledgement = "late acknowledgement"
        /// The store counts at least the claims that were told.
        case claims
        /// Attempts are spent, and items die, only where they are to blame.
        case innocent
        /// Nothing enters a closed queue.
        case enteredClosed = "entered a closed queue"
        /// The store's own counts balance.
        case unbalanced
        /// Nothing is left to do.
        case notDrained = "not drained"
        /// No process is left.
        case leftover
    }

    public let condition: Condition
    /// The case, with its names.
    public let what: String

    public init(_ condition: Condition, _ what: String) {
        self.condition = condition
        self.what = what
    }

    public var description: String { "\(condition.rawValue): \(what)" }
}
