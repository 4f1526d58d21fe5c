package import Leat

/// Processes that are still there although their worker has ended in the store: declared silent, mostly, since they were
/// stopped, or since their heartbeat can't be written.
///
/// One that goes on within the grace enrolls anew, and its late step is refused; one that does not keeps its place from
/// another.
package struct Leftovers: Sendable {
    private var found: [Slot: Leftover] = [:]

    private struct Leftover: Sendable {
        let worker: WorkerID
        let since: ContinuousClock.Instant
    }

    package init() {}

    /// Looks at how the children stand, and finds those whose time is over.
    ///
    /// - Parameters:
    ///   - children: the process in each place.
    ///   - workers: those that were enrolled since this run began and whose end it has not seen yet.
    ///   - grace: how long a process may go on after its worker has ended.
    package mutating func overdue(
        _ children: [Slot: Int32], _ workers: [WorkerRecord], now: ContinuousClock.Instant, grace: Duration
    ) -> [Slot] {
        var current: [Slot: Leftover] = [:]
        for (slot, pid) in children {
            // A process goes on under a new number when it was declared dead: the last one counts.
            let last = workers.filter { $0.stage == slot.stage && $0.pid == pid }.max { $0.id < $1.id }
            guard let last, last.ending != nil else { continue }
            let before = found[slot].flatMap { $0.worker == last.id ? $0 : nil }
            current[slot] = before ?? Leftover(worker: last.id, since: now)
        }
        found = current
        return current.filter { $0.value.since.duration(to: now) >= grace }.keys.sorted()
    }
}
