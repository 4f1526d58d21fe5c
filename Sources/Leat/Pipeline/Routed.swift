/// What a stage with several output queues gives for one input: any number of values, each for its own queue.
///
/// ```swift
/// guard let time = row.departure else { return try .to(cancelled, row) }
/// return try .to(flights, Flight(row, time)) + .to(audit, row.id, due: .after(.seconds(60)))
/// ```
public struct Routed: Sendable {
    package var outputs: [Output]

    package init(_ outputs: [Output]) { self.outputs = outputs }

    /// Nothing: the input is done, and leaves no trace downstream.
    public static let none = Routed([])

    /// One value for a queue.
    ///
    /// - Parameters:
    ///   - queue: one of the stage's routes.
    ///   - value: what is put.
    ///   - key: Unique among the queue's items: a second put under the same key does nothing.
    ///   - due: From when on the item may be handed out.
    ///   - priority: Higher first; 0 or more.
    public static func to<Value>(
        _ queue: QueueReference<Value>, _ value: Value, key: String? = nil, due: Due = .now, priority: Int = 0
    ) throws -> Routed {
        Routed([try queue.output(value, key: key, due: due, priority: priority)])
    }

    public static func + (left: Routed, right: Routed) -> Routed { Routed(left.outputs + right.outputs) }
    public static func += (left: inout Routed, right: Routed) { left.outputs += right.outputs }
}
