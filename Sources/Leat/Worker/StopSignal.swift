internal import Synchronization

/// Whether a worker was told to stop: to commit what it has begun, and to begin no more.
final class StopSignal: Sendable {
    private let asked = Atomic(false)

    var isAsked: Bool { asked.load(ordering: .acquiring) }
    func ask() { asked.store(true, ordering: .releasing) }
}
