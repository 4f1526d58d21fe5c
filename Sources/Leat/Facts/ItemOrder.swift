/// In which order the items of a queue are worked on.
///
/// ```swift
/// let payments = QueueReference<Payment>("payments", order: .byGroup(\.account))
/// ```
public struct ItemOrder<Value: Sendable>: Sendable {
    package let group: (@Sendable (Value) -> String?)?

    /// In the order of putting, as long as one worker takes them and none fails: what is tried again comes later, and
    /// several workers work on several at once.
    public static var loose: Self { Self(group: nil) }

    /// Of a group one item is handed out at a time, in the order of putting; different groups run side by side.
    ///
    /// An item's group goes on when it is settled: done, dead or skipped. While it waits for its next attempt, so does
    /// its group. A dead letter that is tried again takes its group's next turn.
    ///
    /// - Parameter group: gives the group of a value that is put; `nil`: of none, so that nothing waits for it.
    public static func byGroup(_ group: @escaping @Sendable (Value) -> String?) -> Self { Self(group: group) }
}
