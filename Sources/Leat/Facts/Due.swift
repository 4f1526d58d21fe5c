#if canImport(FoundationEssentials)
public import struct FoundationEssentials.Date
#else
public import struct Foundation.Date
#endif

/// From when on an item may be handed out.
///
/// ```swift
/// try await mails.put(reminder, due: .after(.seconds(60)))
/// try await mails.put(greeting, due: .at(newYear))
/// ```
public enum Due: Sendable, Hashable {
    /// At once.
    case now
    /// So long after it was put.
    case after(Duration)
    /// At a time of the wall clock, to the millisecond; at once, if that is past. A clock that is set moves it.
    case at(Date)

    /// The time in milliseconds since 1970; `nil`: at once.
    package func time(at now: Int64) -> Int64? {
        let time =
            switch self {
            case .now: now
            case .after(let delay): now + delay.milliseconds
            case .at(let date): date.milliseconds
            }
        return time > now ? time : nil
    }
}

extension Date {
    /// Since 1970, to the nearest; cut off where nobody will wait for it, so that it can't overflow.
    package var milliseconds: Int64 { Int64((min(max(timeIntervalSince1970, -1e12), 1e12) * 1000).rounded()) }

    package init(milliseconds: Int64) { self.init(timeIntervalSince1970: Double(milliseconds) / 1000) }
}
