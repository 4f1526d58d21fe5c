internal import Dispatch
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

    enum Ending: Sendable {
        case took
        case empty
        case finished
        case stopped
        case failed(any Error)
    }

    private final class Outcome: Sendable {
        let result = Mutex(Ending.stopped)
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
        let result: Ending
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

    private func take() async throws -> Ending {
        let isStopping = Atomic(false)
        return try await withGracefulShutdownHandler {
            var count = 0
            while count < limit ?? .max, !isStopping.load(ordering: .acquiring) {
                switch try await claim(upTo: min(100, (limit ?? .max) - count)) {
                case .granted(let batch):
                    try await keeping(batch) { try await write(batch) }
                    count += batch.items.count
                case .finished: return count > 0 ? .took : .finished
                case .empty where isPatient: continue
                case .empty: return count > 0 ? .took : .empty
                }
            }
            return count >= limit ?? .max ? .took : .stopped
        } onGracefulShutdown: {
            isStopping.store(true, ordering: .releasing)
            // A reader that does not read is not waited for: what was not acknowledged is taken again.
            DispatchQueue(label: "leat.take").asyncAfter(deadline: .now() + 3) {
                exit(CommandStatus.terminated.rawValue)
            }
        }
    }

    private func claim(upTo limit: Int) async throws -> QueueClaim<[UInt8]> {
        var isTold = false
        while true {
            do {
                return try await cancelWhenGracefulShutdown { [queue, lease, isPatient] in
                    try await queue.claim(upTo: limit, for: lease, waiting: isPatient ? .seconds(3600) : .zero)
                }
            } catch let error as LeatError where error.code == .busy && isPatient {
                StandardError.write("Waiting, as \(error)")
            } catch let error as LeatError where error.code == .diskFull && isPatient {
                if !isTold { StandardError.write("Waiting, as \(error)") }
                isTold = true
                try await cancelWhenGracefulShutdown { try await Task.sleep(for: .seconds(1)) }
            }
        }
    }

    /// Keeps what was claimed for as long as it is being written: who reads may take his time.
    private func keeping(_ batch: QueueBatch<[UInt8]>, _ body: @escaping @Sendable () async throws -> Void) async throws
    {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask { [lease] in
                // Should it fail, the acknowledgement tells.
                await batch.keepRenewing(for: lease) { _ in }
                return false
            }
            group.addTask {
                try await body()
                return true
            }
            while let isWritten = try await group.next(), !isWritten {}
            group.cancelAll()
        }
    }

    /// Writes items, and acknowledges those that were written, whatever happens to the others.
    private func write(_ batch: QueueBatch<[UInt8]>) async throws {
        for (index, item) in batch.items.enumerated() {
            do {
                try await Self.write(try format.write(Payload(bytes: item.value)))
            } catch {
                for written in batch.items[..<index] { try await written.acknowledge() }
                guard let unsuitable = error as? UnsuitableItem else { throw error }
                throw LeatError(
                    .refused,
                    "Item \(item.id) of queue '\(queue.name)' can't be written in this form: \(unsuitable.reason); take it --as ndjson, or one --as blob, or settle it by 'leat skip'."
                )
            }
        }
        try await batch.acknowledge()
    }

    /// It blocks as long as nobody reads, and must take no thread from those who renew.
    private static func write(_ bytes: [UInt8]) async throws {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue(label: "leat.output").async {
                continuation.resume(with: Result { try StandardOutput.write(bytes: bytes) })
            }
        }
    }
}
