/// How many items a stage begins in a time, all its workers together.
///
/// It is kept in the store, so it holds for however many processes. It counts claims: what is claimed and then fails,
/// or is handed back, was begun.
///
/// ```swift
/// Transformer("enrich", from: "raw", to: "rich", call).workers(4).rate(Rate(50, per: .seconds(1)))
/// ```
public struct Rate: Sendable, Hashable, Codable {
    public var items: Int
    public var period: Duration
    /// At most so many begin at once, after a pause too.
    public var burst: Int

    /// - Parameters:
    ///   - items: how many begin,
    ///   - period: in this time.
    ///   - burst: by default what a tenth of a second allows, and at least one; a batch holds no more.
    public init(_ items: Int, per period: Duration, burst: Int? = nil) {
        precondition(items >= 1 && period > .zero, "a rate lets at least one item begin in some time")
        precondition(burst ?? 1 >= 1, "a burst is at least one item")
        self.items = items
        self.period = period
        self.burst = burst ?? max(1, Int(0.1 / period.seconds * Double(items)))
    }

    /// Nanoseconds from one item to the next.
    private var interval: Double { period.seconds * 1e9 / Double(items) }
}

/// How far a stage's ``Rate`` is spent: the generic cell rate algorithm's "theoretical arrival time".
public struct RateAccount: Sendable, Hashable {
    /// Nanoseconds of the host's monotonic clock: when all that has begun would have been allowed one by one.
    public var spentUntil: Int64
    public var boot: String

    public init(spentUntil: Int64, boot: String) {
        self.spentUntil = spentUntil
        self.boot = boot
    }
}

extension Rate {
    /// How many items may begin now.
    ///
    /// - Parameters:
    ///   - account: `nil`, or one of another boot: nothing is spent.
    ///   - instant: now, in nanoseconds of the monotonic clock.
    ///   - boot: the boot that this is a clock of.
    /// - Returns: up to ``burst`` items; when none, how long until the next.
    public func allowance(_ account: RateAccount?, at instant: Int64, boot: String) -> (items: Int, wait: Duration) {
        let owed = owed(account, at: instant, boot: boot)
        let items = Int((Double(burst) - owed / interval + 1e-9).rounded(.down))
        if items >= 1 { return (min(items, burst), .zero) }
        return (0, .nanoseconds(Int64((owed - Double(burst - 1) * interval).rounded(.up))))
    }

    /// The account after items have begun.
    public func spending(_ items: Int, _ account: RateAccount?, at instant: Int64, boot: String) -> RateAccount {
        let owed = owed(account, at: instant, boot: boot) + Double(items) * interval
        return RateAccount(spentUntil: instant + Int64(owed.rounded()), boot: boot)
    }

    /// Nanoseconds; never more than this rate could have spent, as an earlier one may have been slower.
    private func owed(_ account: RateAccount?, at instant: Int64, boot: String) -> Double {
        guard let account, account.boot == boot else { return 0 }
        return min(max(0, Double(account.spentUntil - instant)), Double(burst) * interval)
    }
}
