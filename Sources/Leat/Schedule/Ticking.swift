internal import Logging

/// Puts the items of a schedule's ticks as they come: the loop that all recurring producers run.
struct Ticking {
    let schedule: Schedule
    let missed: MissedTicks
    /// No tick after this; milliseconds since 1970.
    let end: Int64?
    let time: any TimeSource

    /// What is to be done next.
    enum Turn: Equatable {
        /// Put the items of these ticks; of a `latest` one alone.
        case put([Int64])
        case wait(Duration)
        /// There is no further tick.
        case finish
    }

    /// One that never ticks is a mistake, and would end what it is part of at once.
    func refuseNever() throws {
        guard schedule.tick(after: time.wallClock) == nil, end == nil else { return }
        throw LeatError(
            .refused, "The schedule has no tick within forty years; is there such a day in such a month?")
    }

    /// - Parameters:
    ///   - last: the last tick that has its item.
    ///   - limit: so many ticks at once, at most.
    func turn(after last: Int64, upTo limit: Int) -> Turn {
        guard let next = schedule.tick(after: last), end.map({ next <= $0 }) ?? true else { return .finish }
        let now = time.wallClock
        guard next <= now else { return .wait(.milliseconds(next - now)) }
        let latest = min(now, end ?? now)
        switch missed {
        case .each: return .put(schedule.ticks(after: last, through: latest, upTo: limit))
        case .latest:
            return .put([schedule.lastTick(after: last, through: latest) ?? next])
        }
    }

    /// Waits for a tick, or until a stop is asked for. A clock that is set is noticed within a second.
    func wait(_ duration: Duration) async throws {
        try await cuttingShortAtShutdown { [time] in try await time.sleep(for: min(duration, .seconds(1))) }
    }
}
