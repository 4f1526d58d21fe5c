internal import Logging
internal import ServiceLifecycle

/// A worker at work: its number in the store, and what all kinds of stages need.
///
/// It is used by one task at a time.
final class WorkerSession {
    let stage: StageDefinition
    let store: any Store
    let activity: Activity
    let heartbeat: Heartbeat
    let patience: StorePatience
    let upkeep: Upkeep
    let call: StageCall
    private(set) var worker: WorkerID
    private(set) var logger: Logger

    private let enrollment: Enrollment
    var batchSize: BatchSize
    /// Whether what the stage puts may have to wait for room.
    let isBounded: Bool
    /// Of a producer: how many items each shard may put in all.
    let shardLimit: Int?
    /// Whether the last batch took so long that it pays to claim the next one meanwhile.
    var doesAheadPay = false
    /// Failures of the stage itself since it last made progress here.
    private var failuresInARow = 0
    /// What was there when it last looked in vain.
    private var marks: [Awaited: ChangeMark] = [:]

    init(
        _ stage: StageDefinition, on store: any Store, _ enrollment: Enrollment, _ activity: Activity,
        _ heartbeat: Heartbeat, _ patience: StorePatience, isBounded: Bool, shardLimit: Int?, logger: Logger
    ) async throws {
        self.isBounded = isBounded
        self.shardLimit = shardLimit
        self.stage = stage
        self.store = store
        self.enrollment = enrollment
        self.activity = activity
        self.heartbeat = heartbeat
        self.patience = patience
        self.logger = logger
        call = StageCall(stage.spec, (store as? ObservedStore)?.observation)
        upkeep = Upkeep(store, stage.spec.input, stop: patience.stop, logger: logger)
        batchSize = BatchSize(most: stage.batch, concurrency: stage.concurrency, first: stage.firstBatch)
        worker = try await patience.trying { try await store.enroll(enrollment) }
        began()
    }

    /// Works until nothing is left to do, and writes down how the worker ended.
    func run() async throws -> WorkerExit {
        switch stage.body {
        case .source, .after, .transactionalAfter: try await produce()
        case .stream(let body): try await stream(body)
        case .item, .batch, .all, .transactionalItem, .transactionalAll: try await consume()
        }
    }

    var stop: StopSignal { patience.stop }
    var isStopping: Bool { stop.isAsked }

    private func began() {
        logger[metadataKey: "worker"] = "\(worker)"
        heartbeat.watch(worker)
        logger.debug("The worker has begun.")
    }

    /// Goes on under a new number; what was held under the old one is handed back.
    ///
    /// Told to stop, it does not begin again: its process may end at once then, and a new row would look like that of
    /// one that was killed.
    func enrollAnew() async throws {
        guard !isStopping else { return }
        // Nothing to do where it was declared dead; where only its lease was taken away it would live on for nobody.
        try await end(.stopped)
        try await enroll()
    }

    private func enroll() async throws {
        guard !isStopping else { return }
        worker = try await patiently { [store, enrollment] in try await store.enroll(enrollment) }
        began()
    }

    // MARK: Ends

    private func end(_ ending: WorkerEnding) async throws {
        heartbeat.pause()
        _ = try await patiently { [store, worker] in try await store.end(worker, ending) }
    }

    func finished() async throws -> WorkerExit {
        try await end(.finished)
        guard let status = try await store.status().first(where: { $0.stage == stage.name }) else {
            throw LeatError(.notFound, "Stage '\(stage.name)' is not in the store that it ran on.")
        }
        guard status.state != .failed else {
            return .failed(reason: status.reason ?? "\(status.dead) of its items are dead, more than it tolerates")
        }
        return .finished(status.state)
    }

    func failed(_ reason: String) async throws -> WorkerExit {
        logger.error("The stage has failed: \(reason)")
        try await end(.finished)
        return .failed(reason: reason)
    }

    func stopped() async throws -> WorkerExit {
        guard !heartbeat.isFileReplaced else { return .lost }
        try await end(.stopped)
        return .stopped
    }

    /// After an error of the store: a lock that stayed taken and a full disk are nobody's fault; any other error
    /// spends the stage's crash budget, so that it does not come back for ever.
    func abandon(after error: any Error) async {
        // Nothing more is to be written.
        if (error as? LeatError)?.code == .damaged { return heartbeat.pause() }
        let isNobodys = error.isPassing || error is CancellationError
        do {
            // Once: whoever calls waits for the error.
            heartbeat.pause()
            try await store.end(worker, isNobodys ? .stopped : .failed(Failure(from: error)))
        } catch {
            // The first error is the one to tell; the lease ends by itself.
            logger.error("The worker's end could not be written down: \(error)")
        }
    }

    // MARK: Waiting

    /// Waits, at most until the given wall-clock time or for a second, and looks after the store then.
    func rest(for what: Awaited = .anything, until due: Int64? = nil) async throws {
        let left = due.map { max($0 - store.time.wallClock, 1) } ?? 1000
        let pause = Duration.milliseconds(min(left, 1000))
        let seen = marks[what]
        marks[what] =
            try await patience.cutShort { [store] in
                try await store.change(of: what, since: seen, within: pause)
            } ?? seen
        try await tidyUp()
    }

    func tidyUp() async throws { try await upkeep.look() }

    // MARK: Committing

    func commit(_ step: Step, next: ClaimRequest?) async throws -> Claim? {
        try await patiently { [store] in try await store.commit(step, next: next) }
    }

    func emit(_ emission: Emission) async throws -> QueueName? {
        try await patiently { [store] in try await store.emit(emission) }
    }

    /// Waits as long as a queue that the stage puts into is full, or until a stop is asked for.
    ///
    /// - Parameter full: what the last look has found.
    func waitForRoom(_ full: QueueName?) async throws {
        var full = full
        while let queue = full, !isStopping {
            try await rest(for: .room(in: queue))
            full = try await fullOutput()
        }
    }

    /// A queue that the stage puts into and that is full now. Told to stop, nobody waits for the answer.
    func fullOutput() async throws -> QueueName? {
        do {
            return try await patiently { [store, stage] in try await store.fullOutput(of: stage.name) }
        } catch let error where error.isPassing && isStopping {
            return nil
        }
    }

    func patiently<Value: Sendable>(_ step: @escaping @Sendable () async throws -> Value) async throws -> Value {
        try await patience.trying(step)
    }

    /// Something was committed.
    func progressed() { failuresInARow = 0 }

    // MARK: The stage's own failures

    /// Charges the stage for an error that is no item's: its producer, its whole input, its closure after others, or one
    /// that says so itself (``StageError``).
    func chargeStage(_ error: any Error) async throws {
        var failure = stage.failure(error)
        if (error as? LeatError)?.code == .cannotResume { failure.advice = .never }
        try await chargeStage(failure)
    }

    /// The same of an error that has been judged.
    ///
    /// The worker's end is written down, which hands back what it held and spends the stage's crash budget; a failure
    /// that no repetition can mend trips it at once, and one that is to be postponed costs nothing. Then it waits, as
    /// the failure advises or longer each time, and enrolls anew.
    func chargeStage(_ failure: Failure) async throws {
        logger.error("The stage's function failed: \(failure.reason)")
        if failure.postponement != nil {
            try await end(.stopped)
        } else {
            failuresInARow += 1
            try await end(.failed(failure))
        }
        let pause = failure.delay(
            by: stage.spec.policy.retry, after: failuresInARow, chance: store.time.chance)
        if !failure.isPermanent, pause > .zero {
            try await patience.cutShort { [time = store.time] in try await time.sleep(for: pause) }
        }
        try await enroll()
    }

    /// Whether an error only says that the worker's task was cancelled, which is nobody's failure.
    func isInterruption(_ error: any Error) -> Bool { isStopping && error is CancellationError }
}

extension Error {
    /// No item is to blame for it, whatever was in hand.
    var isOfTheStage: Bool { self is StageError }

    /// Room or the lock was wanting: nothing is wrong with the step, and it may do later.
    var isPassing: Bool {
        guard let error = self as? LeatError else { return false }
        return error.code == .busy || error.code == .diskFull
    }

    /// The step came too late: its lease or shard is another's now.
    var isLateStep: Bool {
        guard let error = self as? LeatError else { return false }
        return error.code == .leaseLost || error.code == .fenced
    }
}
