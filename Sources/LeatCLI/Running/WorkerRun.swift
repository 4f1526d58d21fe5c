internal import Dispatch
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
    let log: String?

    func run() async throws -> CommandStatus {
        let logger = ConsoleLog.logger("leat.worker", level: .info, through: nil)
        if supervisor != nil { hangOn() }
        let service = WorkerService(
            try StageWorker(
                stage, of: pipeline, on: database.store, pid: getpid(), supervisor: supervisor, log: log,
                logger: logger))
        // Ctrl-C is the supervisor's affair: it drains its workers by SIGTERM.
        if supervisor != nil { signal(SIGINT, SIG_IGN) }
        let signal = try await runUntilSignalled(
            service, by: supervisor == nil ? [.sigterm, .sigint] : [.sigterm], logger: logger
        ) { exitNow(CommandStatus(of: $0).rawValue) }
        switch service.exit {
        case .finished(.completeWithErrors): return .completeWithErrors
        case .finished: return .complete
        case .failed: return .stageFailed
        case .stopped: return CommandStatus(of: signal)
        case .lost, nil: return .internalError
        }
    }

    /// Ends this process when its supervisor is gone, whatever the stage's function does: what it holds is handed back
    /// without blame, or, if the database does not answer within two seconds, left to be found.
    private func hangOn() {
        let store = database.store
        Lifeline.watchStandardInput {
            exitNow(CommandStatus.terminated.rawValue, afterAtMost: .seconds(2)) {
                let isDone = DispatchSemaphore(value: 0)
                // A thread of its own, and not the pool's: the stage's function may have blocked those.
                Task.detached(executorPreference: ThreadExecutor()) {
                    defer { isDone.signal() }
                    for worker in try await store.workers() where worker.pid == getpid() && worker.ending == nil {
                        try store.endBlocking(worker.id, .stopped, culprit: nil)
                    }
                }
                isDone.wait()
            }
        }
    }
}

/// Keeps how the worker ended, which `Service` has no place for.
private final class WorkerService: Service {
    private let worker: StageWorker
    private let result = Mutex<WorkerExit?>(nil)

    init(_ worker: StageWorker) { self.worker = worker }

    var exit: WorkerExit? { result.withLock { $0 } }

    func run() async throws {
        let exit = try await worker.work()
        result.withLock { $0 = exit }
    }
}

/// Runs tasks on a thread of its own.
private final class ThreadExecutor: TaskExecutor {
    private let queue = DispatchQueue(label: "leat.lifeline.executor")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
