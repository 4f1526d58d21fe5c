/// The answer to ``Queue/claim(upTo:for:waiting:)``.
public enum QueueClaim<Value: Codable & Sendable>: Sendable {
    case granted(QueueBatch<Value>)
    /// Nothing is ready now, and more may come. When something is known to come, by a delay, a back-off or the end of
    /// another's lease, `dueIn` tells how soon it may.
    case empty(dueIn: Duration?)
    /// The queue is closed and all of it is settled; or this handle holds some of it, and the rest is in others' hands.
    case finished

    public var batch: QueueBatch<Value>? { if case .granted(let batch) = self { batch } else { nil } }
    public var isFinished: Bool { if case .finished = self { true } else { false } }
}

/// Items that were claimed together, under one lease: what is said of them is refused once the lease is lost.
///
/// - Important: A claimer that outlives its lease can't settle anything: every method throws
///   ``LeatError/Code/leaseLost`` then, and has changed nothing.
public struct QueueBatch<Value: Codable & Sendable>: Sendable {
    public let items: [QueueItem<Value>]
    package let held: HeldItems

    public var values: [Value] { items.map(\.value) }

    /// All of them are done, in one transaction. Items of the batch that were settled before stay as they are.
    public func acknowledge() async throws { try await held.settleRest(.done) }

    /// Hands all of them back without blame, but for those that were settled before.
    public func release() async throws { try await held.settleRest(.released) }

    /// The batch failed as a whole, and it is not known by which item's fault: it is handed out in halves until the
    /// culprit stands alone, and only that one is charged.
    public func fail(_ error: any Error) async throws {
        try await held.settleRest(.failedTogether(Failure(from: error)))
    }

    /// Keeps them for so long from now on.
    public func renew(for duration: Duration) async throws { try await held.renew(for: duration) }

    /// Renews the lease, three times as often as it would end, until the task is cancelled or the lease lost.
    package func keepRenewing(for duration: Duration, onTrouble: (any Error) -> Void) async {
        while true {
            do {
                try await held.store.time.sleep(for: duration.bounded / 3)
                try await held.renew(for: duration)
            } catch is CancellationError {
                return
            } catch let error where error.isLateStep {
                // All of it may have been settled meanwhile; if not, each item's own step is refused and told.
                return
            } catch {
                onTrouble(error)
            }
        }
    }
}

/// One claimed item. It is settled once: acknowledged, put off, buried or handed back.
///
/// - Important: A claimer that outlives its lease can't settle anything: every method throws
///   ``LeatError/Code/leaseLost`` then, and has changed nothing.
public struct QueueItem<Value: Codable & Sendable>: Sendable, Identifiable {
    package let item: Item
    package let held: HeldItems
    public let value: Value

    package init(_ item: Item, _ value: Value, _ held: HeldItems) {
        self.item = item
        self.value = value
        self.held = held
    }

    public var id: ItemID { item.id }
    /// 1 for the first; higher after the item was to blame for a failure.
    public var attempt: Int { item.attempts + 1 }
    /// How often it has been claimed, this time included.
    public var claims: Int { item.claims }
    /// What its putter sent along beside the value: the context of a trace.
    public var headers: [String: String] { item.headers }
    /// Stable over all attempts at the item, and used for no other item of any file: what is done elsewhere under it
    /// can be recognised when it is done again.
    public var idempotencyKey: String { "\(held.run)/\(held.lease.stage)/\(id)/\(item.generation)" }

    /// It is done.
    public func acknowledge() async throws { try await settle(.done) }

    /// It did not succeed: an attempt is spent, and it is tried again after so long, or is a dead letter after its last.
    public func retry(after delay: Duration, reason: String) async throws {
        try await settle(.failed(Failure(reason, .after(delay))))
    }

    /// It did not succeed: as the error advises (``AdvisingError``), or else the queue's policy.
    public func fail(_ error: any Error) async throws { try await settle(.failed(Failure(from: error))) }

    /// Puts it off for so long; no attempt is spent.
    public func postpone(for delay: Duration, reason: String) async throws {
        try await settle(.failed(Failure(reason, .postpone(delay))))
    }

    /// Makes it a dead letter at once.
    public func bury(reason: String) async throws { try await settle(.failed(Failure(reason, .never))) }

    /// Hands it back without blame.
    public func release() async throws { try await settle(.released) }

    /// Keeps it, and what was claimed together with it, for so long from now on.
    public func renew(for duration: Duration) async throws { try await held.renew(for: duration) }

    func settle(_ outcome: Outcome) async throws { try await held.settle([id: outcome]) }
}
