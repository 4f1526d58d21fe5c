internal import Leat
internal import Logging
internal import ServiceLifecycle
internal import Synchronization
internal import UnixSignals

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// Takes items and writes them, until there are enough, none is left, or a signal came.
struct Taking: Service {
    let queue: Queue<[UInt8]>
    let format: ItemFormat
    /// `nil`: no limit.
    let limit: Int?
    /// Whether to wait when nothing is ready.
    let isPatient: Bool
    let lease: Duration
    private let outcome = Outcome()

    enum Result: Sendable {
        case took
        case empty
        case finished
        case stopped
        case failed(any Error)
    }

    private final class Outcome: Sendable {
        let result = Mutex(Result.stopped)
    }

    init(queue: Queue<[UInt8]>, format: ItemFormat, limit: Int?, isPatient: Bool, lease: Duration) {
        self.queue = queue
        self.format = format
        self.limit = limit
        self.isPatient = isPatient
        self.lease = lease
    }

    /// Takes until it is over or a signal comes. The second signal does not wait for a reader that has stopped reading.
    ///
    /// - Throws: what kept it from taking, or ``ClosedOutput``.
    func status() async throws -> CommandStatus {
        let logger = ConsoleLog.logger("leat.take", level: .error, through: nil)
        let signal = try await runUntilSignalled(self, by: [.sigint, .sigterm], logger: logger) { again in
            exit(CommandStatus(of: again).rawValue)
        }
        switch outcome.result.withLock({ $0 }) {
        case .took: return .complete
        case .empty: return .waiting
        case .finished: return .finished
        case .stopped: return CommandStatus(of: signal)
        case .failed(let error): throw error
        }
    }

    func run() async throws {
        let result: Result
        do {
            result = try await take()
        } catch is CancellationError {
            result = .stopped
        } catch {
            // The service group would wrap it.
            result = .failed(error)
        }
        outcome.result.withLock { $0 = result }
        try await queue.handBack()
    }

    private func take() async throws -> Result {
        let isStopping = Atomic(false)
        return try await withGracefulShutdownHandler {
            var count = 0
            while count < limit ?? .max, !isStopping.load(ordering: .acquiring) {
                let wanted = min(100, (limit ?? .max) - count)
                let claim = try await cancelWhenGracefulShutdown { [queue, lease, isPatient] in
                    try await queue.claim(upTo: wanted, for: lease, waiting: isPatient ? .seconds(3600) : .zero)
                }
                switch claim {
                case .granted(let batch):
                    try await write(batch)
                    count += batch.items.count
                case .finished: return count > 0 ? .took : .finished
                case .empty where isPatient: continue
                case .empty: return count > 0 ? .took : .empty
                }
            }
            return count >= limit ?? .max ? .took : .stopped
        } onGracefulShutdown: {
            isStopping.store(true, ordering: .releasing)
        }
    }

    /// Writes items, and acknowledges those that were written, whatever happens to the others.
    private func write(_ batch: QueueBatch<[UInt8]>) async throws {
        for (index, item) in batch.items.enumerated() {
            do {
                try StandardOutput.write(bytes: try format.write(Payload(bytes: item.value)))
            } catch {
                for written in batch.items[..<index] { try await written.acknowledge() }
                guard let unsuitable = error as? UnsuitableItem else { throw error }
                throw LeatError(
                    .refused,
                    "Item \(item.id) of queue '\(queue.name)' can't be written in this form: \(unsuitable.reason); take it --as ndjson, or one --as blob."
                )
            }
        }
        try await batch.acknowledge()
    }
}
