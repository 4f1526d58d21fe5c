internal import Logging
internal import Synchronization

/// Shows a worker's life to others, and ends its process when a call of the user's function takes too long.
///
/// It runs on threads of its own, since the function may keep every thread of the
/// cooperative pool busy, and must not depend on the work in any way: one beats,
/// and one looks at the clock and never at the store, since a call that hangs
/// inside a transaction holds up every beat.
final class Heartbeat: Sendable {
    private struct State {
        var worker: WorkerID?
        var isLost = false
        var isFileReplaced = false
        var isStopping = false
        /// How many of its threads are running.
        var threads = 0
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let store: any Store
    private let stage: StageDefinition
    private let activity: Activity
    private let isProcess: Bool
    private let patience: Duration
    private let logger: Logger
    private let stop: StopSignal
    private let onFatal: @Sendable (WorkerFatal) -> Void
    private let bell = Bell()
    private let watchBell = Bell()
    private let state = Mutex(State())

    /// - Parameters:
    ///   - isProcess: whether `onFatal` ends the process, so that the timeout is written down as its ending.
    ///   - patience: how long that writing may take; somebody else may hold the lock.
    init(
        _ store: any Store, _ stage: StageDefinition, _ activity: Activity, isProcess: Bool,
        patience: Duration = .seconds(5), logger: Logger, stop: StopSignal,
        onFatal: @escaping @Sendable (WorkerFatal) -> Void
    ) {
        self.store = store
        self.stage = stage
        self.activity = activity
        self.isProcess = isProcess
        self.patience = patience
        self.logger = logger
        self.stop = stop
        self.onFatal = onFatal
    }

    /// The worker was declared dead by somebody else.
    var isLost: Bool { state.withLock { $0.isLost } }
    var isFileReplaced: Bool { state.withLock { $0.isFileReplaced } }

    /// Beats for this worker from now on.
    func watch(_ worker: WorkerID) {
        state.withLock { state in
            state.worker = worker
            state.isLost = false
        }
    }

    /// Beats for nobody until the next ``watch(_:)``: the worker writes its own end now.
    func pause() { state.withLock { $0.worker = nil } }

    /// Goes on beside some work.
    ///
    /// In a simulation, where one thread does all in turn, as tasks that follow its clock.
    func during<Value: Sendable>(_ work: () async throws -> Value) async throws -> Value {
        if let time = store.time as? any PacedTime { return try await during(work, by: time) }
        do {
            try begin()
            let value = try await work()
            await end()
            return value
        } catch {
            await end()
            throw error
        }
    }

    private func during<Value: Sendable>(
        _ work: () async throws -> Value, by time: any PacedTime
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                var pulse = Pulse(heartbeat: self.store.terms.heartbeat, timeout: self.stage.timeout)
                let (start, origin) = (time.now, SuspendingClock.now)
                while true {
                    // Cancelled when the work is over.
                    do { try await time.sleep(for: pulse.pause) } catch { return }
                    self.beatIfDue(&pulse, at: origin + (time.now - start))
                    self.look(&pulse)
                }
            }
            return try await work()
        }
    }

    func begin() throws {
        try start { self.run() }
        try start { self.watch() }
    }

    private func start(_ body: @escaping @Sendable () -> Void) throws {
        state.withLock { $0.threads += 1 }
        do {
            try DedicatedThread.start {
                body()
                self.leave()
            }
        } catch {
            leave()
            throw error
        }
    }

    /// One of the threads has come to its end.
    private func leave() {
        state.withLock { state in
            state.threads -= 1
            return state.threads == 0 ? state.waiter.take() : nil
        }?.resume()
    }

    /// Returns when no thread will touch the store again, or report anything.
    func end() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                state.isStopping = true
                if state.threads > 0 { state.waiter = continuation }
                return state.threads == 0
            }
            if isOver { continuation.resume() }
            bell.ring()
            watchBell.ring()
        }
    }

    private func run() {
        var pulse = Pulse(heartbeat: store.terms.heartbeat, timeout: stage.timeout)
        while !state.withLock({ $0.isStopping }) {
            bell.wait(for: pulse.pause)
            beatIfDue(&pulse, at: SuspendingClock.now)
        }
    }

    private func beatIfDue(_ pulse: inout Pulse, at now: SuspendingClock.Instant) {
        guard let worker = state.withLock({ $0.isStopping ? nil : $0.worker }) else { return }
        if pulse.isDue(at: now) { beat(worker) }
    }

    private func watch() {
        var pulse = Pulse(heartbeat: store.terms.heartbeat, timeout: stage.timeout)
        while !state.withLock({ $0.isStopping }) {
            let asleep = SuspendingClock.now
            watchBell.wait(for: pulse.pause)
            if let lost = pulse.stoodStill(from: asleep, to: SuspendingClock.now) { activity.stoodStill(for: lost) }
            look(&pulse)
        }
    }

    private func look(_ pulse: inout Pulse) {
        guard let worker = state.withLock({ $0.isStopping ? nil : $0.worker }) else { return }
        if let overdue = activity.overdue(stage.timeout), pulse.isNews(overdue) { report(overdue, worker) }
    }

    private func beat(_ worker: WorkerID) {
        do {
            switch try store.beat(worker) {
            case .alive: break
            case .lost:
                let isNews = state.withLock { state in
                    // Meanwhile the worker may have enrolled anew.
                    defer { if state.worker == worker { state.isLost = true } }
                    return state.worker == worker && !state.isLost
                }
                if isNews { logger.warning("This worker was declared dead; what it has in hand is refused.") }
            case .fileReplaced:
                logger.critical(
                    "The database or its log was replaced or deleted while this worker had it open, so it ends: nothing that it wrote would be seen."
                )
                state.withLock { $0.isFileReplaced = true }
                stop.ask()
                onFatal(.fileReplaced)
            }
        } catch let error as LeatError where error.code == .damaged {
            // No step will succeed any more: what is in hand is the last.
            logger.critical("\(error)")
            stop.ask()
        } catch {
            // A beat that fails is made up for by the next; the lease lasts several.
            logger.warning("A heartbeat failed: \(error)")
        }
    }

    private func report(_ overdue: Activity.Overdue, _ worker: WorkerID) {
        let limit = stage.timeout.words
        let what = overdue.item.map { "item \($0)" } ?? "the call in hand"
        guard isProcess else {
            logger.error("Stage '\(stage.name)' had no result for \(what) within \(limit); it is waited for.")
            return onFatal(.timedOut(stage.name, item: overdue.item, after: stage.timeout))
        }
        logger.critical("No result for \(what) within \(limit); this worker ends.")
        // Inside a transaction it would wait for the lock that the call itself holds; the process's exit status tells.
        if !overdue.isInTransaction { writeDown("no result within \(limit)", worker, overdue.item) }
        onFatal(.timedOut(stage.name, item: overdue.item, after: stage.timeout))
    }
}

extension Heartbeat {
    /// Writes the timeout down before the process ends, unless somebody else keeps it from writing for too long.
    private func writeDown(_ reason: String, _ worker: WorkerID, _ culprit: ItemID?) {
        // A simulation has one thread, which must not wait for another.
        if store.time is any PacedTime {
            do {
                try store.endBlocking(worker, .timedOut(reason), culprit: culprit)
            } catch {
                logger.error("The timeout could not be written down: \(error)")
            }
            return
        }
        let isWritten = Bell()
        do {
            try DedicatedThread.start { [store, logger] in
                do {
                    try store.endBlocking(worker, .timedOut(reason), culprit: culprit)
                } catch {
                    // The process ends all the same, and its death is found by others.
                    logger.error("The timeout could not be written down: \(error)")
                }
                isWritten.ring()
            }
        } catch {
            logger.error("The timeout could not be written down: \(error)")
            return
        }
        if !isWritten.wait(for: patience) {
            logger.error("The timeout could not be written down within \(patience.words); others find out.")
        }
    }
}

/// When a thread of the heartbeat wakes, and what it has to do then.
struct Pulse {
    private let heartbeat: Duration
    /// Between two looks: a beat apart, or a quarter of a timeout that is shorter.
    let pause: Duration
    private var lastBeat: SuspendingClock.Instant?
    private var lastReported: Int64?

    init(heartbeat: Duration, timeout: Duration) {
        self.heartbeat = heartbeat
        pause = min(heartbeat, max(timeout / 4, .milliseconds(10)))
    }

    /// How long the whole process stood still (SIGSTOP, a starved machine) while this thread meant to sleep a pause.
    ///
    /// A call must not be blamed for that time. What a slow machine takes to wake a thread is not counted.
    func stoodStill(from asleep: SuspendingClock.Instant, to awake: SuspendingClock.Instant) -> Duration? {
        let lost = awake - asleep - pause
        return lost > max(pause, .milliseconds(200)) ? lost : nil
    }

    mutating func isDue(at now: SuspendingClock.Instant) -> Bool {
        // A thread that wakes a little early still beats: the next look may be a whole pause away.
        if let lastBeat, now - lastBeat + pause / 2 < heartbeat { return false }
        lastBeat = now
        return true
    }

    /// A call is reported once.
    mutating func isNews(_ overdue: Activity.Overdue) -> Bool {
        guard lastReported != overdue.serial else { return false }
        lastReported = overdue.serial
        return true
    }
}
