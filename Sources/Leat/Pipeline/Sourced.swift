/// A value of a producer together with the cursor that follows it: where to go on once this value is saved.
///
/// Value and cursor are committed together, so a producer that was killed goes on
/// behind the last value that is in the queue: none is lost, none comes twice.
public struct Sourced<Value: Codable & Sendable, Cursor: Codable & Sendable>: Sendable {
    public var value: Value
    public var cursor: Cursor
    /// Unique among the queue's items: a second put under the same key does nothing.
    public var key: String?

    public init(_ value: Value, cursor: Cursor, key: String? = nil) {
        self.value = value
        self.cursor = cursor
        self.key = key
    }
}
