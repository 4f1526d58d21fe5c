public import Leat
internal import Synchronization

/// A clock that stands still until it is told to go on.
///
/// All readings are exact, and its chances follow from its seed, so that a test can say to the millisecond when an
/// item is due.
///
/// ```swift
/// let time = ManualTime()
/// let store = MemoryStore(time: time)
/// time.advance(by: .seconds(20))
/// ```
public final class ManualTime: TimeSource {
    private struct Readings {
        var instant: Int64
        var wallClock: Int64
        var bootID: String
        var fixedChance: Double?
        var generator: SeededGenerator
    }

    private let readings: Mutex<Readings>

    /// - Parameters:
    ///   - wallClock: Milliseconds since 1970; by default noon of 1 January 2026, UTC.
    ///   - seed: What the chances follow from.
    public init(wallClock: Int64 = 1_767_268_800_000, bootID: String = "boot-1", seed: UInt64 = 0) {
        readings = Mutex(
            Readings(
                instant: 1_000_000_000,
                wallClock: wallClock,
                bootID: bootID,
                fixedChance: nil,
                generator: SeededGenerator(seed: seed)
            )
        )
    }

    public var instant: Int64 {
        get { readings.withLock { $0.instant } }
        set { readings.withLock { $0.instant = newValue } }
    }

    public var bootID: String {
        get { readings.withLock { $0.bootID } }
        set { readings.withLock { $0.bootID = newValue } }
    }

    public var wallClock: Int64 {
        get { readings.withLock { $0.wallClock } }
        set { readings.withLock { $0.wallClock = newValue } }
    }

    /// When not `nil`, every chance from now on.
    public var fixedChance: Double? {
        get { readings.withLock { $0.fixedChance } }
        set { readings.withLock { $0.fixedChance = newValue } }
    }

    public var chance: Double {
        readings.withLock { $0.fixedChance ?? Double.random(in: 0..<1, using: &$0.generator) }
    }

    /// Lets both clocks go on by the same amount.
    public func advance(by duration: Duration) {
        readings.withLock {
            $0.instant += duration.nanoseconds
            $0.wallClock += duration.milliseconds
        }
    }
}
