/// A queue by its name, together with the type of its values.
///
/// ```swift
/// let raw: QueueReference<RawFlight> = "raw"
/// ```
///
/// Cost: keep it in a `let`; making one makes the coder of its values.
public struct QueueReference<Value: Codable & Sendable>: Sendable, ExpressibleByStringLiteral {
    public let name: QueueName
    package let coder = PayloadCoder<Value>()

    public init(_ name: QueueName) { self.name = name }
    public init(stringLiteral value: String) { name = QueueName(stringLiteral: value) }
}

/// A queue that a stage names among those that it may put into: with its value type, or by its bare name.
public protocol QueueRoute: Sendable {
    var queue: QueueName { get }
    /// `nil` when only the name is known; then the types are not compared.
    var valueType: ValueType? { get }
}

extension QueueReference: QueueRoute {
    public var queue: QueueName { name }
    public var valueType: ValueType? { ValueType(Value.self) }
}

extension QueueName: QueueRoute {
    public var queue: QueueName { self }
    public var valueType: ValueType? { nil }
}
