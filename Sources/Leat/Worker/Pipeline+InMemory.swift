public import Logging

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// What a run in memory ended with.
public struct InMemoryRun: Sendable {
    public let outcome: RunOutcome
    public let stages: [StageStatus]
    /// Everything that flowed, to be looked at; it is gone with the last reference to it.
    public let store: any Store

    public subscript(stage: StageName) -> StageStatus? { stages.first { $0.stage == stage } }
}

extension Pipeline {
    /// Runs the same functions under the same rules, in this process and without files.
    ///
    /// It returns when no stage can make progress. Dead letters and failed stages
    /// are not thrown: they are in the result.
    ///
    /// - Important: There is no process that could be ended, so a call that exceeds its stage's timeout is reported to
    ///   the logger as an error, and waited for; a function that aborts takes the program with it.
    /// - Parameters:
    ///   - store: Where items are kept; by default one in memory, SQLite's own if a stage sees the database.
    ///   - logger: By default errors go to standard error.
    /// - Throws: what the store could not do.
    @discardableResult
    public func runInMemory(store: (any Store)? = nil, logger: Logger? = nil) async throws -> InMemoryRun {
        let store = try store ?? stages.lazy.compactMap(\.memoryStore).first?() ?? MemoryStore()
        var quiet = Logger(label: "leat", factory: StreamLogHandler.standardError(label:))
        quiet.logLevel = .error
        let logger = logger ?? quiet
        try await store.install(plan)
        let workers = try stages.flatMap { stage in
            try (0..<stage.workers).map { _ in
                try StageWorker(
                    stage.name, of: self, on: store, enrollment: Enrollment(stage: stage.name, pid: getpid()),
                    logger: logger, isProcess: false, onFatal: { _ in })
            }
        }
        try await Self.run(workers, of: plan, on: store)
        let statuses = try await store.pipelineStatus()
        guard case .over(let outcome) = RunVerdict.judge(statuses, of: plan) else {
            // Only a cancelled run ends while something is left to do.
            throw CancellationError()
        }
        return InMemoryRun(outcome: outcome, stages: statuses, store: store)
    }

    /// Runs the workers until each has ended, or a failed stage has left the others with nothing to do.
    private static func run(_ workers: [StageWorker], of plan: Plan, on store: any Store) async throws {
        try await withThrowingTaskGroup(of: WorkerExit?.self) { group in
            for worker in workers { group.addTask { try await worker.work() } }
            var left = workers.count
            var isWatching = false
            while left > 0, let exit = try await group.next() {
                if exit != nil { left -= 1 }
                // Without a failure every worker comes to its end by itself. After one, those behind it would wait
                // for ever, so after each change the whole is judged.
                if case .failed = exit, !isWatching {
                    isWatching = true
                } else if exit != nil || !isWatching {
                    continue
                }
                if case .over = RunVerdict.judge(try await store.pipelineStatus(), of: plan) {
                    group.cancelAll()
                    isWatching = false
                    continue
                }
                group.addTask {
                    do {
                        let mark = try await store.change(since: nil, within: .zero)
                        guard case .goingOn = RunVerdict.judge(try await store.pipelineStatus(), of: plan) else {
                            return nil
                        }
                        _ = try await store.change(since: mark, within: .seconds(1))
                    } catch is CancellationError {
                        // The run was cancelled: its workers stop, and the group with them.
                    }
                    return nil
                }
            }
            group.cancelAll()
        }
    }
}
