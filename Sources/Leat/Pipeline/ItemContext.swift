public import Logging

/// What a stage's function may know of the item that it is working on.
///
/// ```swift
/// Consumer("mail", from: orders) { (order: Order) in
///     try await send(order, idempotencyKey: ItemContext.current?.idempotencyKey)
/// }
/// ```
public struct ItemContext: Sendable, Hashable {
    public let item: ItemID
    /// 1 for the first; higher after the item was to blame for a failure.
    public let attempt: Int
    public let stage: StageName
    public let queue: QueueName
    /// Identifies this run of the pipeline for ever.
    public let runID: String
    /// 0, and one more for each redo.
    public let generation: Int
    /// What its putter sent along beside the value: the context of a trace.
    public let headers: [String: String]

    /// Stable over all attempts at the item, and different in every run and every redo.
    public var idempotencyKey: String { "\(runID)/\(queue)/\(item)/\(generation)" }

    /// What tells the item in a log.
    ///
    /// ```swift
    /// logger.info("Sent.", metadata: ItemContext.current?.logMetadata)
    /// ```
    public var logMetadata: Logger.Metadata {
        ["stage": "\(stage)", "queue": "\(queue)", "item": "\(item)", "attempt": "\(attempt)"]
    }

    /// The item in hand; `nil` outside a stage's item function, and in a plain unit test.
    ///
    /// Cost: a task-local look-up and a lock; nothing is made for items that do not ask.
    public static var current: ItemContext? { Activity.current?.context }

    /// The items in hand of a batch function, in the order of its argument; empty elsewhere.
    public static var batch: [ItemContext] { Activity.current?.batchContext ?? [] }
}
