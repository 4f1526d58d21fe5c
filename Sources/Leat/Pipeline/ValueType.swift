/// The type of the values of a queue, as a stage declares it.
///
/// A pipeline is refused when two stages mean different types by one queue.
public struct ValueType: Sendable, Hashable, CustomStringConvertible {
    private let identity: ObjectIdentifier
    public let description: String

    public init<Value>(_ type: Value.Type) {
        identity = ObjectIdentifier(type)
        description = String(reflecting: type)
    }

    public static func == (left: ValueType, right: ValueType) -> Bool { left.identity == right.identity }
    public func hash(into hasher: inout Hasher) { hasher.combine(identity) }
}
