public import Leat
internal import Synchronization

/// A clock that goes on only when nobody has anything left to do, and then straight to what somebody waits for.
///
/// Waiting on it costs no time. Its readings may be made to jump, as a host's do; how long somebody waits does not
/// depend on them.
public final class SimulatedTime: TimeSource {
    private struct Sleeper {
        let number: Int
        let due: Int64
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        /// Nanoseconds since the beginning, whatever the readings say.
        var elapsed: Int64 = 0
        /// What the host's monotonic clock showed at the beginning of this boot, and when that was.
        var boot = (number: 1, at: Int64(0))
        var wallOffset: Int64
        var generator: SeededGenerator
        var sleepers: [Sleeper] = []
        var lastNumber = 0
    }

    private let state: Mutex<State>
    private static let origin = ContinuousClock.now
    /// What the monotonic clock shows when a host has just started.
    private static let firstInstant: Int64 = 1_000_000_000

    /// - Parameters:
    ///   - seed: what the chances follow from.
    ///   - wallClock: milliseconds since 1970 at the beginning; by default noon of 1 January 2026, UTC.
    public init(seed: UInt64, wallClock: Int64 = 1_767_268_800_000) {
        state = Mutex(State(wallOffset: wallClock, generator: SeededGenerator(seed: seed)))
    }

    public var instant: Int64 { state.withLock { Self.firstInstant + $0.elapsed - $0.boot.at } }
    public var bootID: String { state.withLock { "boot-\($0.boot.number)" } }
    public var wallClock: Int64 { state.withLock { $0.wallOffset + $0.elapsed / 1_000_000 } }
    public var chance: Double { state.withLock { Double.random(in: 0..<1, using: &$0.generator) } }

    /// How much time has gone by, whatever the readings say.
    public var elapsed: Duration { .nanoseconds(state.withLock { $0.elapsed }) }

    /// Somebody sets the wall clock.
    public func setWallClock(by change: Duration) { state.withLock { $0.wallOffset += change.milliseconds } }

    /// The host is started anew: the boot has another name, and the monotonic clock begins again.
    public func reboot() {
        state.withLock { state in state.boot = (state.boot.number + 1, state.elapsed) }
    }

    /// Waits, even if the task is cancelled: for what can't be interrupted.
    func pass(_ duration: Duration) async {
        _ = await withCheckedContinuation { continuation in
            state.withLock { state in
                state.lastNumber += 1
                state.sleepers.append(
                    Sleeper(
                        number: state.lastNumber, due: state.elapsed + max(0, duration.nanoseconds),
                        continuation: continuation))
            }
        }
    }

    /// Goes on to the moment that somebody waits for, and wakes all who wait for it.
    ///
    /// - Returns: whether anybody waits for anything.
    func goOn() -> Bool {
        let woken = state.withLock { state -> [Sleeper] in
            guard let due = state.sleepers.lazy.map(\.due).min() else { return [] }
            state.elapsed = max(state.elapsed, due)
            let woken = state.sleepers.filter { $0.due <= state.elapsed }
            state.sleepers.removeAll { $0.due <= state.elapsed }
            return woken
        }
        for sleeper in woken { sleeper.continuation.resume(returning: true) }
        return !woken.isEmpty
    }
}

extension SimulatedTime: PacedTime {
    package var now: ContinuousClock.Instant { Self.origin + elapsed }

    package func sleep(for duration: Duration) async throws {
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        let isOver = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isKept = state.withLock { state in
                    // A cancellation that came before has found nobody to wake.
                    guard !Task.isCancelled else { return false }
                    state.sleepers.append(
                        Sleeper(
                            number: number, due: state.elapsed + max(0, duration.nanoseconds),
                            continuation: continuation))
                    return true
                }
                if !isKept { continuation.resume(returning: false) }
            }
        } onCancel: {
            state.withLock { state -> Sleeper? in
                guard let index = state.sleepers.firstIndex(where: { $0.number == number }) else { return nil }
                return state.sleepers.remove(at: index)
            }?.continuation.resume(returning: false)
        }
        if !isOver { throw CancellationError() }
    }
}
