/// Where all times and chances come from: one place, so that a test or a seed can stand in for it.
///
/// Leases run on ``instant`` together with ``bootID``, a clock that cannot jump;
/// times for people and schedules are ``wallClock``. A wrong clock can cost a
/// retry, never a double effect.
public protocol TimeSource: Sendable {
    /// Nanoseconds of the host's monotonic clock. Comparable only under the same ``bootID``.
    var instant: Int64 { get }
    /// Names this boot of the host: when it differs, everything that ran before is gone.
    var bootID: String { get }
    /// Milliseconds since 1970, as the host believes.
    var wallClock: Int64 { get }
    /// A number in `0..<1`, for jitter.
    var chance: Double { get }
}

extension Duration {
    /// Whole nanoseconds, for a store's columns; of what is longer than a century and a half, that.
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = bounded.components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
    /// Whole milliseconds, for a store's columns; of what is longer than a century and a half, that.
    package var milliseconds: Int64 {
        let (seconds, attoseconds) = bounded.components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }
    /// So much of it that clocks can be added to it: a wait that somebody else has asked for may be of any length.
    package var bounded: Duration { min(max(self, .seconds(-Self.longest)), .seconds(Self.longest)) }
    /// Half of what nanoseconds in 64 bits can tell, in seconds.
    private static let longest: Int64 = .max / 2 / 1_000_000_000
    /// Seconds as a number, for people and arithmetic.
    package var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

extension Duration {
    /// For a person: `2 s`, `1.5 s`, `250 ms`.
    package var words: String {
        let milliseconds = milliseconds
        if milliseconds % 1000 == 0 { return "\(milliseconds / 1000) s" }
        return milliseconds > 1000 ? "\(Double(milliseconds) / 1000) s" : "\(milliseconds) ms"
    }
}
