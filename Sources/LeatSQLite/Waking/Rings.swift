internal import Leat

/// Whom a connection's transaction will wake once it is committed.
///
/// One waiter is enough for new work, however much: whoever gets all that it asked for wakes the next one, since there is
/// more. So as many are woken as there is work for. The end of a queue, and orders, concern all who wait.
final class Rings {
    private var queues: [QueueName: Bool] = [:]

    /// There is, or soon will be, something to claim.
    func work(in queue: QueueName) { queues[queue] = queues[queue] ?? false }
    /// Something has happened that all who wait must know.
    func end(of queue: QueueName) { queues[queue] = true }

    /// The queues to ring for, and whether for all who wait; none are left.
    func take() -> [QueueName: Bool] {
        guard !queues.isEmpty else { return [:] }
        defer { queues.removeAll(keepingCapacity: true) }
        return queues
    }
}
