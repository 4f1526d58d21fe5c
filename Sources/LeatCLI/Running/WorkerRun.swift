internal import Leat
internal import LeatProcess
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

/// `worker STAGE`: one worker in this process.
struct WorkerRun: Sendable {
    let stage: StageName
    let pipeline: Pipeline
    let database: OpenStore
    /// The process that holds this one's lifeline.
    let supervisor: Int32?
    /// It is being watched already.
    let lifeline: WorkerLifeline?
    let log: String?
    /// How many items each shard of a producer may put in all.
    var limit: Int?

    func run() async throws -> CommandStatus {
        let logger = ConsoleLog.logger("leat.worker", level: .info, through: nil)
        var worker = try StageWorker(
            stage, of: pipeline, on: database.store, pid: getpid(), supervisor: supervisor, log: log, logger: logger)
        worker.limit = limit
        if pipeline[stage]?.takesTurns == true { database.holdUpCallers() }
        let service = WorkerService(worker)
        lifeline?.handBack(on: database.store) { service.cancel() }
        // Ctrl-C is the supervisor's affair: it drains its workers by SIGTERM.
        if supervisor != nil { signal(SIGINT, SIG_IGN) }
        let signal = try await runUntilSignalled(
            service, by: supervisor == nil ? .endings : [.sigterm], logger: logger
        ) { exitNow(CommandStatus(of: $0).rawValue) }
        switch service.exit {
        case .finished(.completeWithErrors): return .completeWithErrors
        case .finished: return .complete
        case .failed: return .stageFailed
        case .stopped: return CommandStatus(of: signal)
        case .lost, nil: return .internalError
        }
    }
}

/// Keeps how the worker ended, which `Service` has no place for, and can be stopped from any thread.
private final class WorkerService: Service {
    private let worker: StageWorker
    private let state = Mutex(State())

    private struct State {
        var exit: WorkerExit?
        var task: Task<WorkerExit, any Error>?
        var isCancelled = false
    }

    init(_ worker: StageWorker) { self.worker = worker }

    var exit: WorkerExit? { state.withLock { $0.exit } }

    func run() async throws {
        // The task takes over this one's graceful shutdown.
        let task = Task { [worker] in try await worker.work() }
        let isCancelled = state.withLock { state in
            state.task = task
            return state.isCancelled
        }
        if isCancelled { task.cancel() }
        let exit = try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
        state.withLock { $0.exit = exit }
    }

    /// The worker has been asked to stop when this returns, even if no thread of the pool is free.
    func cancel() {
        let task = state.withLock { state in
            state.isCancelled = true
            return state.task
        }
        task?.cancel()
    }
}
