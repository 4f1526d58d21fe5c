import FaultWorkload
import Synchronization

/// Hears what a workload in this process tells.
final class Witness: Sendable {
    private let heard: Mutex<Set<Testimony>>

    init(_ told: Set<Testimony> = []) { heard = Mutex(told) }

    func hear(_ testimony: Testimony) { heard.withLock { _ = $0.insert(testimony) } }
    var told: Set<Testimony> { heard.withLock { $0 } }
}
