internal import Logging
internal import Synchronization

/// Looks after the store for a worker, about once a second, busy or idle: finds who died, and what a crash kept from
/// being evaluated, and removes what is not to be kept.
final class Upkeep: Sendable {
    private let store: any Store
    private let queue: QueueName?
    private let stop: StopSignal
    private let logger: Logger
    private let last: Atomic<Int64>

    /// - Parameter queue: whose depth is measured, where anything is.
    init(_ store: any Store, _ queue: QueueName?, stop: StopSignal, logger: Logger) {
        self.store = store
        self.queue = queue
        self.stop = stop
        self.logger = logger
        last = Atomic(store.time.instant)
    }

    func look() async throws {
        let now = store.time.instant
        guard !stop.isAsked, now - last.load(ordering: .relaxed) >= Duration.seconds(1).nanoseconds else { return }
        last.store(now, ordering: .relaxed)
        do {
            for dead in try await store.reap(supervisor: nil) {
                logger.notice("Worker \(dead.worker) of stage '\(dead.stage)' was found ended: \(dead.ending.word).")
            }
            try await store.evaluate()
            if let queue, let observed = store as? ObservedStore { try await observed.sample(queue) }
            // Bounded, so that this worker's own work goes on beside others' that are faster.
            for _ in 1...20 { if try await store.prune(upTo: 2000) < 2000 || stop.isAsked { break } }
        } catch let error where error.isPassing {
            // The next time will do; its own steps are what has to wait.
            logger.debug("The store could not be looked after: \(error)")
        }
    }
}
