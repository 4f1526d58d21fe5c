/// One producer: a stage's slice that writes, has a cursor, and ends.
public struct ShardID: Sendable, Hashable, Codable, CustomStringConvertible {
    public let stage: StageName
    public let shard: ShardName

    public init(_ stage: StageName, _ shard: ShardName = .whole) {
        self.stage = stage
        self.shard = shard
    }

    public var description: String { shard == .whole ? "\(stage)" : "\(stage)/\(printable(shard.rawValue))" }
}

/// A worker's hold on a shard. The epoch is its fencing token: a take-over raises it.
public struct ShardHold: Sendable, Hashable {
    public let id: ShardID
    public let epoch: Int64
    public let worker: WorkerID
    /// Where to go on, as it was saved with the last items; `nil` at the start.
    public let cursor: String?
    /// How many items this shard has put so far.
    public let emitted: Int64

    public init(id: ShardID, epoch: Int64, worker: WorkerID, cursor: String?, emitted: Int64) {
        self.id = id
        self.epoch = epoch
        self.worker = worker
        self.cursor = cursor
        self.emitted = emitted
    }
}

/// The answer to a worker that wants to run a shard.
public enum ShardOpening: Sendable, Hashable {
    case opened(ShardHold)
    /// It has written its completion row: nothing is left to do.
    case complete
    /// A live worker has it.
    case live(WorkerID)
    /// A stage that it comes after has not ended yet.
    case notYet
    /// The stage is tripped.
    case refused(reason: String)
}

/// One step of a producer: items, the cursor that follows them, and its end if this was the last. One transaction,
/// fenced by the epoch.
public struct Emission: Sendable {
    public var hold: ShardHold
    public var outputs: [Output]
    /// Replaces the saved cursor when it is not `nil`.
    public var cursor: String?
    /// Writes the shard's completion rows.
    public var isLast: Bool
    /// Work done inside the transaction, before the outputs are put.
    public var body: (@Sendable (any TransactionContext) throws -> Void)?

    public init(
        _ hold: ShardHold,
        outputs: [Output],
        cursor: String?,
        isLast: Bool,
        body: (@Sendable (any TransactionContext) throws -> Void)? = nil
    ) {
        self.hold = hold
        self.outputs = outputs
        self.cursor = cursor
        self.isLast = isLast
        self.body = body
    }
}
