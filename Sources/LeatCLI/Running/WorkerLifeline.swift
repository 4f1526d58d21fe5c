internal import Dispatch
internal import Leat
internal import LeatProcess
internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// Ends this process when its supervisor is gone, whatever the stage's function does.
///
/// What the worker holds is handed back without blame, or, if the database does not answer within two seconds, left to
/// be found.
final class WorkerLifeline: Sendable {
    private let farewell = Mutex<(@Sendable () -> Void)?>(nil)

    private init() {}

    /// Watches from now on. Until there is something to hand back, the process just ends.
    static func watch() -> WorkerLifeline {
        let lifeline = WorkerLifeline()
        Lifeline.watchStandardInput { lifeline.severed() }
        return lifeline
    }

    /// Tells what is due before the end.
    ///
    /// - Parameter stop: asks the worker to begin no more. It returns at once.
    func handBack(on store: any Store, stop: @escaping @Sendable () -> Void) {
        farewell.withLock { farewell in
            farewell = {
                // First, so that the worker does not go on under a new number when its own has ended.
                stop()
                Self.endWorkers(on: store)
            }
        }
    }

    private func severed() {
        let status = CommandStatus.terminated.rawValue
        guard let farewell = farewell.withLock({ $0 }) else { exitNow(status) }
        exitNow(status, afterAtMost: .seconds(2), farewell)
    }

    private static func endWorkers(on store: any Store) {
        let isDone = DispatchSemaphore(value: 0)
        // A thread of its own, and not the pool's: the stage's function may have blocked those.
        Task.detached(executorPreference: ThreadExecutor()) {
            defer { isDone.signal() }
            var hasEnded = true
            // Again, until there is none: it may just have been enrolling anew.
            while hasEnded {
                hasEnded = false
                for worker in try await store.workers() where worker.pid == getpid() && worker.ending == nil {
                    try store.endBlocking(worker.id, .stopped, culprit: nil)
                    hasEnded = true
                }
            }
        }
        isDone.wait()
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
