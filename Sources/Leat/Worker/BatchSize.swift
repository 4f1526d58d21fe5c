/// How many items a worker asks for: as many as it works on in about a tenth of a second.
///
/// Many at once make few transactions; but who takes slow items in large batches keeps them from others, and does more of
/// them again after a crash. So it follows the time that items are measured to take.
package struct BatchSize: Sendable {
    package private(set) var current: Int
    private let least: Int
    private let most: Int

    /// The share of a transaction's cost, a millisecond or two, is small then.
    static let target = Duration.milliseconds(100)

    /// - Parameters:
    ///   - most: what the stage allows.
    ///   - concurrency: how many items are worked on at once, and asked for at least.
    ///   - first: how many are asked for before anything was measured.
    package init(most: Int, concurrency: Int = 1, first: Int = 8) {
        self.most = most
        least = min(most, concurrency)
        current = min(most, max(least, first))
    }

    /// Falls at once, and doubles at most.
    package mutating func worked(_ items: Int, in duration: Duration) {
        guard items > 0 else { return }
        let each = max(duration.seconds / Double(items), 1e-9)
        let ideal = Int(min(Self.target.seconds / each, 1e9))
        current = max(least, min(ideal, current * 2, most))
    }
}
