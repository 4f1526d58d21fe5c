/// A queue by its name, together with the type of its values.
///
/// ```swift
/// let raw: QueueReference<RawFlight> = "raw"
/// ```
///
/// All that is put through one reference has its order; so share one among the stages that put into the queue.
///
/// Cost: keep it in a `let`; making one makes the coder of its values.
public struct QueueReference<Value: Codable & Sendable>: Sendable, ExpressibleByStringLiteral {
    public let name: QueueName
    package let coder = PayloadCoder<Value>()
    private let group: (@Sendable (Value) -> String?)?

    /// - Parameters:
    ///   - name: of the queue.
    ///   - order: in which its items are worked on. Means nothing to a stage that takes the queue as a whole.
    public init(_ name: QueueName, order: ItemOrder<Value> = .loose) {
        self.name = name
        group = order.group
    }

    public init(stringLiteral value: String) { self.init(QueueName(stringLiteral: value)) }

    var isGrouped: Bool { group != nil }

    package func output(
        _ value: Value, key: String? = nil, due: Due = .now, priority: Int = 0
    ) throws -> Output {
        Output(try coder.encode(value), to: name, key: key, group: group?(value), due: due, priority: priority)
    }

    /// The same of a payload that is the value's already.
    func output(_ payload: Payload, of value: Value) -> Output { Output(payload, to: name, group: group?(value)) }
}

/// A queue that a stage names among those that it may put into: with its value type, or by its bare name.
public protocol QueueRoute: Sendable {
    var queue: QueueName { get }
    /// `nil` when only the name is known; then the types are not compared.
    var valueType: ValueType? { get }
}

extension QueueReference: QueueRoute {
    public var queue: QueueName { name }
    public var valueType: ValueType? { ValueType(Value.self, isGrouped: isGrouped) }
}

extension QueueName: QueueRoute {
    public var queue: QueueName { self }
    public var valueType: ValueType? { nil }
}
