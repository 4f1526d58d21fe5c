/// The type of the values of a queue, as a stage declares it.
///
/// A pipeline is refused when two stages mean different types by one queue.
public struct ValueType: Sendable, Hashable, CustomStringConvertible {
    private let identity: ObjectIdentifier
    public let description: String
    /// Whether what is put has a group: all who put into a queue must mean the same.
    let isGrouped: Bool

    public init<Value>(_ type: Value.Type) { self.init(type, isGrouped: false) }

    init<Value>(_ type: Value.Type, isGrouped: Bool) {
        identity = ObjectIdentifier(type)
        description = String(reflecting: type)
        self.isGrouped = isGrouped
    }

    public static func == (left: ValueType, right: ValueType) -> Bool { left.identity == right.identity }
    public func hash(into hasher: inout Hasher) { hasher.combine(identity) }
}
