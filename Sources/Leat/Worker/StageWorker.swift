public import Logging
public import ServiceLifecycle

/// One worker: runs one stage until nothing is left to do, or until it is told to stop.
///
/// It can be started at any time, in any order, and killed at any moment: what it
/// had in hand is claimed by another, and its own late commit is refused. On a
/// graceful shutdown, or when its task is cancelled, it finishes and commits the
/// item or batch in hand, hands the rest back, and claims no more.
///
/// ```swift
/// let worker = try StageWorker("square", of: pipeline, on: store, pid: getpid(), logger: logger)
/// let exit = try await worker.work()
/// ```
public struct StageWorker: Service {
    private let stage: StageDefinition
    private let plan: Plan
    private let store: any Store
    private let enrollment: Enrollment
    private let logger: Logger
    private let onFatal: @Sendable (WorkerFatal) -> Void
    private let isProcess: Bool
    /// Of a producer: how many items each of its shards may put in all, those of earlier runs included. Then it is left as
    /// it is, without its end.
    package var limit: Int?

    /// - Parameters:
    ///   - stage: which of the pipeline's stages it runs.
    ///   - pipeline: installed, or held against what is installed, when it begins.
    ///   - store: where the pipeline's queues are.
    ///   - pid: The process that the worker's life hangs on.
    ///   - supervisor: The process that will learn its exit status, if there is one.
    ///   - log: Where its log goes, for people.
    ///   - logger: what it has to say.
    ///   - onFatal: Called on a thread of the heartbeat when the process must end at once. That was written down before
    ///     if it could be: not when the call that hangs holds the store's lock, nor when another held it for 5 s.
    /// - Throws: ``LeatError/Code/notFound`` when the pipeline has no such stage.
    public init(
        _ stage: StageName, of pipeline: Pipeline, on store: any Store, pid: Int32, supervisor: Int32? = nil,
        log: String? = nil, logger: Logger, onFatal: @escaping @Sendable (WorkerFatal) -> Void = WorkerFatal.exitProcess
    ) throws {
        try self.init(
            stage, of: pipeline, on: store,
            enrollment: Enrollment(stage: stage, pid: pid, supervisor: supervisor, log: log), logger: logger,
            isProcess: true, onFatal: onFatal)
    }

    /// - Parameter isProcess: whether `onFatal` ends the worker's process; otherwise a timeout is only reported.
    init(
        _ stage: StageName, of pipeline: Pipeline, on store: any Store, enrollment: Enrollment, logger: Logger,
        isProcess: Bool, onFatal: @escaping @Sendable (WorkerFatal) -> Void
    ) throws {
        guard let definition = pipeline[stage] else {
            let names = pipeline.stages.map(\.name.rawValue).joined(separator: ", ")
            throw LeatError(
                .notFound, "Pipeline '\(pipeline.name)' has no stage '\(stage)'; its stages are \(names).")
        }
        self.stage = definition
        self.plan = pipeline.plan
        self.store = ObservedStore.observing(store)
        self.enrollment = enrollment
        self.isProcess = isProcess
        self.onFatal = onFatal
        var logger = logger
        logger[metadataKey: "stage"] = "\(stage)"
        self.logger = logger
    }

    public func run() async throws { _ = try await work() }

    /// Installs the plan, prepares the stage's tables, and works.
    ///
    /// - Throws: what the store could not do. A stage's own errors are never thrown: they are its items' failures, or
    ///   the stage's.
    @concurrent
    public func work() async throws -> WorkerExit {
        let stop = StopSignal()
        return try await withTaskCancellationOrGracefulShutdownHandler {
            try await work(until: stop)
        } onCancelOrGracefulShutdown: {
            stop.ask()
        }
    }

    private func work(until stop: StopSignal) async throws -> WorkerExit {
        let patience = StorePatience(time: store.time, stop: stop, logger: logger)
        try await patience.trying { [store, plan] in try await store.install(plan) }
        for body in stage.prepare { try await patience.trying { [store] in try await store.prepare(body) } }
        let activity = Activity(
            stage: stage.name, queue: stage.spec.input, runID: try await store.runID(), time: store.time)
        let heartbeat = Heartbeat(
            store, stage, activity, isProcess: isProcess, logger: logger, stop: stop, onFatal: onFatal)
        let session = try await WorkerSession(
            stage, on: store, enrollment, activity, heartbeat, patience,
            isBounded: !plan.boundedOutputs(of: stage.spec).isEmpty, shardLimit: limit, logger: logger)
        do {
            return try await heartbeat.during { try await session.run() }
        } catch {
            await session.abandon(after: error)
            throw error
        }
    }
}
