package import Leat
package import LeatProcess
package import Logging
internal import ServiceLifecycle
internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// Runs a pipeline's stages as processes until no stage can make progress.
///
/// - One run at a time has a database: it holds a kernel lock that goes with it.
/// - How a worker died is written into the store at once, so what it held is
///   ready again before its place is filled anew.
/// - No worker outlives it: told to stop, it asks them to end, and ends those that
///   have not gone within the grace; killed itself, it leaves them to their lifelines.
///
/// All decisions are ``Fleet``'s; this performs them.
package final class Supervisor: Service {
    package struct Options: Sendable {
        /// How many workers a stage has; one, if it is not named.
        package var workers: [StageName: Int] = [:]
        /// The stages that it runs; `nil`: all. The others stay as they are.
        package var stages: Set<StageName>?
        /// Where producers stop. Their workers must be told by their command.
        package var limit: ProducerLimit?
        /// Which workers it kills on the way, if any.
        package var chaos: Chaos?
        /// How long workers may take to leave before they are killed.
        package var grace: Duration = .seconds(10)
        /// How often the stages are looked at.
        package var interval: Duration = .seconds(1)
        /// How long it waits before it tries again what a full disk or a long transaction held up.
        package var patience: Duration = .seconds(1)
        /// Who called it, for the store's events.
        package var who: String = "run"

        package init() {}
    }

    /// How a run ended.
    package struct Outcome: Sendable, Hashable {
        package let stages: [StageStatus]
        /// Producers that stopped at their limit.
        package let spent: Set<StageName>
        /// How many workers it has killed as if it were a stranger.
        package let killed: Int
        /// Whether it was told to stop before the stages had ended.
        package let isInterrupted: Bool
    }

    private let store: any Store
    private let plan: Plan
    private let lockPath: String
    private let options: Options
    private let prepare: @Sendable () async throws -> Void
    private let check: @Sendable () throws -> Void
    private let command: @Sendable (Slot) -> ChildCommand
    private let observe: @Sendable ([StageStatus]) async -> Void
    private let logger: Logger
    private let events: AsyncStream<Fleet.Event>
    private let sender: AsyncStream<Fleet.Event>.Continuation
    private let patience: Patience
    private let state = Mutex(State())

    private struct State {
        var children: [Slot: ChildProcess] = [:]
        /// Whether workers have been asked to end: one that starts just then is asked too.
        var isEnding = false
        var isKilling = false
        /// Workers whose ending has been seen, and those of earlier runs: another process may have their number.
        var seen: Set<WorkerID> = []
        var outcome: Outcome?
        /// What a worker has found: nothing more is written.
        var damage: LeatError?
        /// Places whose workers chaos has sent SIGKILL, and how many have died of it.
        var struck: Set<Slot> = []
        var killed = 0
    }

    /// - Parameters:
    ///   - lockPath: the file that is locked as long as it runs.
    ///   - prepare: called once the lock is held, before anything is changed.
    ///   - check: throws when the store is no longer the one that its path names; it ends the run.
    ///   - command: what a worker is started with; its log is where it says.
    ///   - observe: called with how the stages stand, each interval and once when all has ended.
    package init(
        store: any Store, plan: Plan, lockPath: String, options: Options = Options(),
        logger: Logger = Logger(label: "leat.supervisor"),
        prepare: @escaping @Sendable () async throws -> Void = {}, check: @escaping @Sendable () throws -> Void = {},
        command: @escaping @Sendable (Slot) -> ChildCommand,
        observe: @escaping @Sendable ([StageStatus]) async -> Void = { _ in }
    ) {
        self.store = store
        self.plan = plan
        self.lockPath = lockPath
        self.options = options
        self.prepare = prepare
        self.check = check
        patience = Patience(pause: options.patience, logger: logger)
        self.command = command
        self.observe = observe
        self.logger = logger
        (events, sender) = AsyncStream.makeStream()
    }

    /// Drains; a second call kills.
    package func stop() {
        sender.yield(.stop)
        patience.wake()
    }

    /// How it ended, once ``run()`` has returned.
    package var outcome: Outcome? { state.withLock { $0.outcome } }

    /// Runs the pipeline. A graceful shutdown drains it; when the task is cancelled, workers are killed.
    ///
    /// - Throws: ``LeatError/Code/alreadyRunning`` when another run holds the database.
    package func run() async throws {
        guard let lock = try FileLock.tryLock(path: lockPath) else {
            let holder = FileLock.signature(path: lockPath).map { " (process \($0))" } ?? ""
            throw LeatError(
                .alreadyRunning, "Another run\(holder) has this database; wait for its end, or stop it with SIGTERM.")
        }
        defer { lock.release() }
        lock.sign()
        try await prepare()
        try await store.install(plan)
        // This process has no children yet. It gives no number of its own, since an earlier run may have had the same
        // (in a container it often does), and its dead would be left to it.
        _ = try await store.reap(supervisor: 0)
        // After that, so that the dead of an earlier run are not charged to this one.
        try await store.begin(by: options.who)
        try await store.evaluate()
        let earlier = try await store.workers().map(\.id)
        state.withLock { $0.seen.formUnion(earlier) }
        let isInterrupted = try await withGracefulShutdownHandler {
            try await supervise()
        } onGracefulShutdown: {
            self.stop()
        }
        try Task.checkCancellation()
        let (stages, spent) = try await standing()
        await observe(stages)
        state.withLock { state in
            state.outcome = Outcome(
                stages: stages, spent: spent, killed: state.killed, isInterrupted: isInterrupted)
        }
    }

    /// How the stages stand, and which producers are at their limit. That is read first: what was put up to it is seen then.
    private func standing() async throws -> (stages: [StageStatus], spent: Set<StageName>) {
        try await patiently {
            var spent: Set<StageName> = []
            if let limit = options.limit { spent = limit.spent(try await store.shards()) }
            return (try await store.pipelineStatus(), spent)
        }
    }

    /// - Returns: whether it was interrupted.
    private func supervise() async throws -> Bool {
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { try await self.orEnd { try await self.watch() } }
            group.addTask { try await self.orEnd { try await self.reap() } }
            if let chaos = options.chaos { group.addTask { await self.strike(chaos) } }
            var fleet = Fleet(plan: plan, workers: options.workers, stages: options.stages)
            events: for await event in events {
                for action in fleet.event(event) {
                    switch action {
                    case .start(let slot): group.addTask { try await self.orEnd { try await self.work(in: slot) } }
                    case .pause(let slot, let duration): group.addTask { await self.send(.due(slot), after: duration) }
                    case .allowGrace: group.addTask { await self.send(.graceIsOver, after: self.options.grace) }
                    case .terminate: end(killing: false)
                    case .kill: end(killing: true)
                    case .finish: break events
                    }
                }
            }
            group.cancelAll()
            return fleet.isInterrupted
        }
    }

    /// An error of one task ends the loop over the events too, which the group does not do by itself.
    private func orEnd(_ work: () async throws -> Void) async throws {
        do {
            try await work()
        } catch {
            sender.finish()
            // What ended the run has been thrown already, and this came of it.
            guard !Task.isCancelled else { return }
            throw error
        }
    }

    /// Looks at the stages, for whoever must be started later, and for people.
    private func watch() async throws {
        while !Task.isCancelled {
            let (stages, spent) = try await standing()
            sender.yield(.status(stages, spent: spent))
            await observe(stages)
            guard await pause(options.interval) else { return }
        }
    }

    /// Ends workers that others have started, and that died. It evaluates completion too, in case one of them died
    /// between an event and its evaluation.
    private func reap() async throws {
        var leftovers = Leftovers()
        while await pause(store.terms.heartbeat) {
            try await endLeftovers(&leftovers)
            try await patiently {
                for dead in try await self.store.reap(supervisor: getpid()) {
                    self.logger.warning("worker \(dead.worker) of \(dead.stage) is gone: \(dead.ending.word)")
                }
                try await self.store.evaluate()
            }
        }
    }

    /// Kills workers as chaos will have it, and tells nobody: their deaths are found like those of others. Not when they have
    /// been asked to end, since those are no suspects.
    private func strike(_ chaos: Chaos) async {
        var chaos = chaos
        while await pause(Chaos.interval) {
            state.withLock { state in
                guard !state.isEnding else { return }
                for slot in chaos.victims(among: state.children.keys) {
                    state.children[slot]?.kill()
                    state.struck.insert(slot)
                }
            }
        }
    }

    /// Kills children that are dead to the store and have not gone on since: their places are filled anew.
    private func endLeftovers(_ leftovers: inout Leftovers) async throws {
        let children = state.withLock { $0.children }
        guard !children.isEmpty else { return }
        let seen = state.withLock { $0.seen }
        let workers = try await patiently { try await store.workers() }.filter { !seen.contains($0.id) }
        let grace = max(options.grace, store.terms.duration * 2)
        for slot in leftovers.overdue(children.mapValues(\.pid), workers, now: .now, grace: grace) {
            guard let child = children[slot] else { continue }
            logger.warning(
                "process \(child.pid) (\(slot)) has not gone on since its worker ended, and is killed to make room")
            child.kill()
        }
    }

    /// Every call of the store once the run has begun: neither a full disk nor a long transaction ends it.
    private func patiently<Value>(_ work: () async throws -> Value) async throws -> Value {
        try await patience {
            if let damage = state.withLock({ $0.damage }) { throw damage }
            try check()
            return try await work()
        }
    }

    private func send(_ event: Fleet.Event, after duration: Duration) async {
        if await pause(duration) { sender.yield(event) }
    }

    /// - Returns: `false` when the task was cancelled.
    private func pause(_ duration: Duration) async -> Bool {
        do {
            try await Task.sleep(for: duration)
            return true
        } catch {
            return false
        }
    }

    private func end(killing: Bool) {
        let children = state.withLock { state in
            state.isEnding = true
            state.isKilling = state.isKilling || killing
            return Array(state.children.values)
        }
        for child in children { killing ? child.kill() : child.terminate() }
        if killing { patience.giveUp() }
    }

    // MARK: One worker

    /// Starts a worker, waits for its end and writes it down.
    private func work(in slot: Slot) async throws {
        let command = command(slot)
        let ending: WorkerEnding
        do {
            let termination = try await ChildProcess.run(command) { self.register($0, in: slot) }
            // Others would only write more into it.
            if termination == .exited(ReservedStatus.damageFound) { throw damage(found: slot, log: command.log) }
            ending = self.ending(of: termination)
        } catch let error as LeatError where error.code != .damaged {
            ending = .crashed(error.description)
        }
        let pid = state.withLock { state in
            if state.struck.remove(slot) != nil, ending == .killed { state.killed += 1 }
            return state.children.removeValue(forKey: slot)?.pid
        }
        let account: DeathAccount
        do {
            account = try await record(ending, of: slot, pid: pid, log: command.log)
        } catch {
            guard Task.isCancelled else { throw error }
            logger.warning("the end of \(slot) could not be written down: \(printable("\(error)"))")
            return
        }
        if Task.isCancelled { return }
        let (stages, spent) = try await standing()
        sender.yield(.ended(slot, account, stages, spent: spent))
    }

    private func damage(found slot: Slot, log: String) -> LeatError {
        let error = LeatError(
            .damaged,
            "A worker (\(slot)) found the database damaged, or its disk failing, so the run was ended and nothing more is written; its log \(printable(log)) says what it found. Keep the file with its -wal as it is."
        )
        state.withLock { $0.damage = error }
        return error
    }

    private func register(_ child: ChildProcess, in slot: Slot) {
        let (isEnding, isKilling) = state.withLock { state in
            state.children[slot] = child
            return (state.isEnding, state.isKilling)
        }
        if isKilling { child.kill() } else if isEnding { child.terminate() }
        logger.debug("\(slot) is process \(child.pid)")
    }

    /// A worker that was asked to end, and did, is no suspect, even if it had to be killed.
    ///
    /// When an error ends the run, workers are killed with their tasks, and may have met the same error themselves.
    private func ending(of termination: Termination) -> WorkerEnding {
        if Task.isCancelled, termination == .exited(ReservedStatus.internalError) { return .stopped }
        guard Task.isCancelled || state.withLock({ $0.isEnding }) else { return termination.workerEnding }
        switch termination {
        case .exited(0), .exited(128 + SIGTERM), .exited(128 + SIGINT): return .stopped
        case .signalled(SIGTERM), .signalled(SIGINT), .signalled(SIGKILL): return .stopped
        case .exited, .signalled: return termination.workerEnding
        }
    }

    private func record(
        _ ending: WorkerEnding, of slot: Slot, pid: Int32?, log: String
    ) async throws -> DeathAccount {
        let records = try await patiently { try await store.workers() }
        let worker = state.withLock { state in
            // A process goes on under a new number when it was declared dead: the last one counts.
            let its = records.filter { $0.stage == slot.stage && $0.pid == pid && !state.seen.contains($0.id) }
            state.seen.formUnion(its.map(\.id))
            return its.max { $0.id < $1.id }
        }
        if let worker {
            let account = try await patiently { try await store.end(worker.id, ending) }
            if worker.ending == nil, ending.isSuspicious {
                logger.warning("worker \(worker.id) (\(slot), process \(worker.pid)): \(describe(ending)); log: \(log)")
            }
            return account
        }
        guard ending.isSuspicious else { return .nobody }
        // It died before it had enrolled. That counts against the stage, so it is enrolled on its behalf. As killed it
        // would be nobody's, like one that only waited.
        let early: WorkerEnding = ending == .killed ? .crashed("killed before it had enrolled") : ending
        let enrollment = Enrollment(stage: slot.stage, pid: pid ?? getpid(), supervisor: getpid(), log: log)
        let unborn = try await patiently { try await store.enroll(enrollment) }
        state.withLock { _ = $0.seen.insert(unborn) }
        logger.warning("\(slot) died before it could begin: \(describe(early)); log: \(log)")
        return try await patiently { try await store.end(unborn, early) }
    }

    private func describe(_ ending: WorkerEnding) -> String {
        switch ending {
        case .finished, .stopped, .rebooted, .silent, .killed: ending.word
        case .crashed(let how), .timedOut(let how): printable(how)
        case .failed(let failure): printable(failure.reason)
        }
    }
}
