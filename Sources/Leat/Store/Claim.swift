/// A worker's wish for items of its stage's input.
public struct ClaimRequest: Sendable, Hashable {
    public var stage: StageName
    public var worker: WorkerID
    /// At most so many items; fewer do not mean that the queue is empty.
    public var limit: Int
    /// How long the items stay the worker's unless it renews the lease, for a queue on its own, which demands it.
    /// `nil`: as long as the worker lives, which is what a pipeline's stages claim by.
    public var duration: Duration?
    public var holding: Holding

    /// Whether a worker of a pipeline means to claim more while it holds something.
    public enum Holding: Sendable, Hashable {
        /// It settles first; what it may still hold is like anybody's.
        case isNotIntended
        /// It works on a window: what it holds itself does not keep its input from being finished, and it is told to
        /// settle when a suspect is next.
        case isIntended
    }

    public init(
        _ stage: StageName, worker: WorkerID, limit: Int, for duration: Duration? = nil,
        holding: Holding = .isNotIntended
    ) {
        precondition(limit >= 1, "a claim asks for at least one item")
        precondition(duration.map { $0 > .zero } ?? true, "a lease lasts longer than nothing")
        self.stage = stage
        self.worker = worker
        self.limit = limit
        self.duration = duration
        self.holding = holding
    }

    /// Why it does not suit the stage, if it does not.
    public func problem(for stage: StageSpec) -> LeatError? {
        if stage.takesAll {
            return LeatError(
                .refused, "Stage '\(stage.name)' takes its whole input at once; it can't claim a batch.")
        }
        switch (stage.kind == .queue, duration) {
        case (true, nil):
            return LeatError(
                .refused, "A claim from queue '\(stage.name)', which is on its own, must say for how long.")
        case (false, .some):
            return LeatError(
                .refused,
                "Stage '\(stage.name)' of a pipeline takes from its queue as long as its worker lives; only a queue on its own is claimed from for a time."
            )
        default: return nil
        }
    }
}

/// A worker's exclusive claim on a batch of items.
///
/// While it is live no other worker receives its items. It lives as long as its
/// worker: when that dies, or its heartbeat stops for longer than the lease, the
/// items are ready again. One on a queue on its own has a time of its own besides,
/// after which they are ready too.
///
/// - Important: A worker that outlives its lease cannot commit: its outputs are
///   refused together with its acknowledgement (``LeatError/Code/leaseLost``).
public struct Lease: Sendable, Hashable, Identifiable {
    public let id: LeaseID
    public let stage: StageName
    public let worker: WorkerID
    /// In the order of their ids, those off the straight path first.
    public let items: [Item]
    /// Whether the items were part of a batch that failed as a whole.
    public let isSuspect: Bool

    public init(id: LeaseID, stage: StageName, worker: WorkerID, items: [Item], isSuspect: Bool) {
        self.id = id
        self.stage = stage
        self.worker = worker
        self.items = items
        self.isSuspect = isSuspect
    }
}

/// The answer to a ``ClaimRequest``.
public enum Claim: Sendable, Hashable {
    case granted(Lease)
    /// Nothing is ready now. `until` tells from when on something may be due (wall clock, milliseconds), if that is known.
    case nothing(until: Int64?)
    /// The stage's input is closed and all of it is settled. To one who holds some of it, on a queue on its own or by
    /// intention: the rest is in others' hands; so that nobody waits for another to settle first.
    case finished
    /// What is next is under suspicion and is handed out alone: settle first what you hold. To those who intend to hold.
    case settleFirst
    /// Nothing is handed out as long as this queue, which the stage puts into, holds as much as it may.
    case full(QueueName)
    /// The stage hands out nothing, for the given reason: a trip, or too many crashes.
    case refused(reason: String)

    public var lease: Lease? {
        guard case .granted(let lease) = self else { return nil }
        return lease
    }
}

/// Why an item, or a batch, did not succeed.
public struct Failure: Sendable, Hashable {
    /// One sentence for a person; it becomes the dead letter's reason.
    public var reason: String
    /// What is to become of the item.
    public var advice: RetryAdvice
    /// What is left to look at; it is kept with the attempt as it is, so whoever shows it must escape it.
    public var evidence: Evidence?

    /// - Parameters:
    ///   - reason: control characters are shown as `\u{…}`: what a function threw is read on terminals.
    ///   - advice: what is to become of the item.
    ///   - evidence: what is left to look at.
    public init(_ reason: String, _ advice: RetryAdvice = .backOff, evidence: Evidence? = nil) {
        self.reason = printable(reason)
        self.advice = advice
        self.evidence = evidence
    }

    /// What a stage's function threw, with the evidence that it brings; the text is cut at 2,000 characters.
    public init(from error: any Error) {
        let evidence = (error as? StageError)?.evidence ?? (error as? any EvidentError)?.evidence
        self.init(
            String("\(error)".prefix(2000)), (error as? any AdvisingError)?.retryAdvice ?? .backOff, evidence: evidence)
    }

    /// The same, with the advice of whoever judges errors that are not his own, or else the error's.
    package init(from error: any Error, advisedBy judge: ((any Error) -> RetryAdvice?)?) {
        self.init(from: error)
        if let advice = judge?(error) { self.advice = advice }
    }

    /// How long its items are put off without blame, if they are.
    public var postponement: Duration? { if case .postpone(let delay) = advice { delay } else { nil } }

    /// No attempt can mend it.
    public var isPermanent: Bool { advice == .never }
}

/// What became of one item of a lease.
public enum Outcome: Sendable, Hashable {
    case done
    /// As the failure advises: an attempt is spent, and the item waits for its next one or is dead; or it is put off
    /// without blame.
    case failed(Failure)
    /// Handed back without blame.
    case released
}

extension Outcome {
    /// Why it failed, if it did.
    package var reason: String? { if case .failed(let failure) = self { failure.reason } else { nil } }
}

/// What became of a lease's items.
public enum Verdict: Sendable, Hashable {
    /// Every item of the lease is done.
    case done
    /// The named items have these outcomes; the others stay leased.
    case each([ItemID: Outcome])
    /// The batch failed as a whole: it is halved until the culprit stands alone. An item that was alone in its lease
    /// is to blame. A failure that advises to postpone puts all of them off, and suspects none.
    case failedTogether(Failure)
    /// They are part of something larger that failed, items of other leases among it: they are halved, or put under
    /// suspicion alone, and not charged. A failure that advises to postpone puts them off.
    case failedWithOthers(Failure)
    /// All of them are handed back without blame.
    case released
}

/// One step of a worker: what became of its items, and what they gave. It is one transaction, fenced by its lease.
public struct Step: Sendable {
    public var stage: StageName
    public var worker: WorkerID
    public var lease: LeaseID
    public var verdict: Verdict
    public var outputs: [Output]
    /// Writes the ending row in the same transaction: for a stage whose whole input is one unit.
    public var endsStage: Bool

    public init(
        _ verdict: Verdict,
        of lease: Lease,
        outputs: [Output] = [],
        endsStage: Bool = false
    ) {
        self.stage = lease.stage
        self.worker = lease.worker
        self.lease = lease.id
        self.verdict = verdict
        self.outputs = outputs
        self.endsStage = endsStage
    }
}

/// What the user's code sees of the store inside its transaction. Each store has its own.
public protocol TransactionContext {}

/// A step whose work is done inside its own transaction, so that its effects and its acknowledgement commit together.
public struct TransactionalStep: Sendable {
    public var lease: Lease
    /// Called once an item, in order; what it throws undoes that item alone, and is its failure.
    ///
    /// A ``StageError`` is no item's: that item and those after it stay leased. If nothing was settled before it, the
    /// step throws it, and is undone.
    public var body: @Sendable (any TransactionContext, Item) throws -> [Output]

    /// What is made of what `body` throws.
    public var failure: @Sendable (any Error) -> Failure

    public init(
        of lease: Lease, failure: @escaping @Sendable (any Error) -> Failure = { Failure(from: $0) },
        body: @escaping @Sendable (any TransactionContext, Item) throws -> [Output]
    ) {
        self.lease = lease
        self.failure = failure
        self.body = body
    }
}
