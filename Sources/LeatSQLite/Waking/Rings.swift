internal import Leat

/// Whom a connection's transaction will wake once it is committed.
///
/// One waiter is enough for new work, however much: whoever gets all that it asked for wakes the next one, since there is
/// more. So as many are woken as there is work for. The end of a queue, and orders, concern all who wait.
final class Rings {
    private var rings: [Awaited: Bool] = [:]

    /// There is, or soon will be, something to claim.
    func work(in queue: QueueName) { rings[.work(in: queue)] = rings[.work(in: queue)] ?? false }
    /// Something has happened that all who wait must know.
    func end(of queue: QueueName) { rings[.work(in: queue)] = true }
    /// A queue that was full is no longer so, for whoever feeds it.
    func room(in queue: QueueName) { rings[.room(in: queue)] = true }

    /// What to ring for, and whether for all who wait; nothing is left.
    func take() -> [Awaited: Bool] {
        guard !rings.isEmpty else { return [:] }
        defer { rings.removeAll(keepingCapacity: true) }
        return rings
    }
}
