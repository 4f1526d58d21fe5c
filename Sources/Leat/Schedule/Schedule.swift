#if canImport(FoundationEssentials)
public import struct FoundationEssentials.Date
public import struct FoundationEssentials.TimeZone
#else
public import struct Foundation.Date
public import struct Foundation.TimeZone
#endif

/// The times at which something recurs: its ticks, on the wall clock.
///
/// ```swift
/// let often = Schedule.every(.seconds(60))
/// let nightly = Schedule.cron("30 2 * * *", in: vienna)
/// ```
///
/// Ticks are whole milliseconds, and the same whoever counts them from whenever: that is what makes it possible to put
/// exactly one item for each.
public struct Schedule: Sendable, Hashable {
    private enum Rule: Sendable, Hashable {
        case every(milliseconds: Int64, from: Int64)
        case cron(CronExpression, TimeZone)
    }

    private let rule: Rule

    /// At a start, and each time that an interval has gone by since, before it too.
    ///
    /// - Parameters:
    ///   - interval: at least a millisecond; less than that is cut off.
    ///   - start: any one of the ticks; 1970 if not given, so that `.every(.seconds(3600))` ticks on the hour, UTC.
    public static func every(_ interval: Duration, from start: Date = Date(timeIntervalSince1970: 0)) -> Schedule {
        precondition(interval.milliseconds >= 1, "a schedule's interval is at least a millisecond")
        return Schedule(rule: .every(milliseconds: interval.milliseconds, from: start.milliseconds))
    }

    /// At the minutes that a cron expression names, in a time zone.
    ///
    /// Where clocks are put forward, a tick of the hour that is left out comes so much later; where they are put back,
    /// a tick of the hour that comes twice comes once, unless the expression is for every hour.
    public static func cron(_ expression: CronExpression, in zone: TimeZone = .gmt) -> Schedule {
        Schedule(rule: .cron(expression, zone))
    }

    /// The first tick after a time; `nil` when there is none within forty years, as for the 30th of February.
    public func tick(after time: Date) -> Date? {
        // The nearest millisecond may be past the date, and a tick is to be after that.
        var last = time.milliseconds
        if Date(milliseconds: last) > time { last -= 1 }
        return tick(after: last).map { Date(milliseconds: $0) }
    }

    package func tick(after time: Int64) -> Int64? {
        switch rule {
        case .every(let interval, let start):
            let since = time - start
            let whole = since >= 0 ? since / interval : -((-since + interval - 1) / interval)
            return start + (whole + 1) * interval
        case .cron(let expression, let zone): return expression.tick(after: time, in: zone)
        }
    }

    /// The last tick between two times, the later one included.
    package func lastTick(after first: Int64, through last: Int64) -> Int64? {
        switch rule {
        case .every(let interval, _):
            // The one after the time an interval before.
            return tick(after: last - interval).flatMap { $0 > first ? $0 : nil }
        case .cron(let expression, let zone): return expression.lastTick(after: first, through: last, in: zone)
        }
    }

    /// The ticks between two times, the later one included; at most so many.
    package func ticks(after first: Int64, through last: Int64, upTo limit: Int) -> [Int64] {
        var ticks: [Int64] = []
        var time = first
        while ticks.count < limit, let next = tick(after: time), next <= last {
            ticks.append(next)
            time = next
        }
        return ticks
    }
}

/// What becomes of ticks that came while nobody was there to put their items.
public enum MissedTicks: Sendable, Hashable, CaseIterable {
    /// Each gets its item, as soon as somebody is there: one a tick, whatever happened.
    case each
    /// The last of them gets its item, and the others none.
    case latest
}

/// The name of a recurring producer of a queue, which is its identity: whoever runs it under this name goes on with it.
public struct ScheduleName: LeatName {
    public static var noun: String { "schedule" }
    public let rawValue: String
    public init(unchecked rawValue: String) { self.rawValue = rawValue }
}
