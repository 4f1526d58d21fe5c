internal import Synchronization

/// The store without files: the same facts and rules in this process's memory, gone with it.
///
/// It passes the same conformance suite as the embedded store, so a pipeline that runs on it gives the same results.
///
/// ```swift
/// let store = MemoryStore()
/// try await store.install(plan)
/// ```
///
/// - Note: It has no transactions that a user's code could work in: a step that wants one is refused.
// Not an actor: a heartbeat comes synchronously from a thread of its own, and no step here suspends or waits.
public final class MemoryStore: Store {
    public let time: any TimeSource
    public let terms: LeaseTerms

    private let run: String
    private let core = Mutex(Core())

    private struct Core {
        var state = MemoryState()
        var changes = MemoryChanges()
    }

    public init(time: any TimeSource = HostTime(), terms: LeaseTerms = LeaseTerms()) {
        self.time = time
        self.terms = terms
        var chance = SystemRandomNumberGenerator()
        run = String(chance.next(), radix: 36) + String(chance.next(), radix: 36)
    }

    /// Does a step, and wakes those who wait for a change.
    ///
    /// - Parameter isChange: whether the answer means that something was changed. A step that throws may have counted a
    ///   refusal.
    private func perform<Answer: Sendable>(
        isChange: (Answer) -> Bool = { _ in true },
        _ step: (inout MemoryState, MemoryMoment) throws -> Answer
    ) throws -> Answer {
        let (answer, woken) = core.withLock { core in
            let answer = Result { try step(&core.state, MemoryMoment(time)) }
            if case .success(let answer) = answer, !isChange(answer) {
                return (answer: Result<Answer, any Error>.success(answer), woken: [MemoryChanges.Waiter]())
            }
            return (answer: answer, woken: core.changes.tell())
        }
        for waiter in woken { waiter.resume() }
        return try answer.get()
    }

    private func observe<Answer: Sendable>(
        _ look: (inout MemoryState, MemoryMoment) throws -> Answer
    ) throws -> Answer {
        try perform(isChange: { _ in false }, look)
    }
}

// MARK: The pipeline

extension MemoryStore {
    public func install(_ plan: Plan) async throws { try perform { state, _ in try state.install(plan) } }

    public func plan() async throws -> Plan? { try observe { state, _ in state.plan } }

    public func note(_ source: RunSource) async throws { try perform { state, _ in state.source = source } }

    public func source() async throws -> RunSource? { try observe { state, _ in state.source } }

    public func runID() async throws -> String { run }

    public func prepare(_ body: @escaping @Sendable (any TransactionContext) throws -> Void) async throws {
        throw MemoryState.needsDatabase("A stage's preparation")
    }
}

// MARK: Queues on their own

extension MemoryStore {
    public func makeQueue(_ name: QueueName, policy: StagePolicy?) async throws -> StageSpec {
        try perform { state, _ in try state.makeQueue(name, policy: policy) }
    }

    public func seal(_ queue: QueueName, by who: String) async throws {
        try perform { state, _ in try state.seal(queue) }
    }

    public func reopen(_ queue: QueueName, by who: String) async throws {
        try perform { state, _ in try state.reopen(queue) }
    }

    public func renew(_ lease: Lease, for duration: Duration) async throws {
        try perform { try $0.renew(lease, for: duration, at: $1) }
    }

    public func queues() async throws -> [QueueStatus] { try observe { $0.queueStatuses(at: $1) } }
}

// MARK: Schedules

extension MemoryStore {
    public func begin(_ schedule: ScheduleName, into queue: QueueName) async throws -> Int64 {
        try perform { try $0.begin(schedule, into: queue, at: $1) }
    }

    public func put(
        _ outputs: [Output], at tick: Int64, of schedule: ScheduleName, after last: Int64
    ) async throws -> Bool {
        try perform(isChange: { $0 }) { try $0.put(outputs, at: tick, of: schedule, after: last, $1) }
    }
}

// MARK: Workers

extension MemoryStore {
    public func enroll(_ enrollment: Enrollment) async throws -> WorkerID {
        try perform { try $0.enroll(enrollment, at: $1) }
    }

    public func beat(_ worker: WorkerID) throws -> Beat {
        try observe { $0.beat(worker, at: $1) }
    }

    @discardableResult
    public func end(_ worker: WorkerID, _ ending: WorkerEnding) async throws -> DeathAccount {
        try perform { try $0.end(worker, ending, at: $1) }
    }

    public func endBlocking(_ worker: WorkerID, _ ending: WorkerEnding, culprit: ItemID?) throws {
        _ = try perform { try $0.end(worker, ending, culprit: culprit, at: $1) }
    }

    /// Ends workers that have been silent for longer than their lease; a supervisor's own too, which learns of deaths
    /// but not of silence.
    public func reap(supervisor: Int32?) async throws -> [Reaped] {
        try perform(isChange: { !$0.reaped.isEmpty || $0.hasExpired }) { [terms] in
            (reaped: try $0.reap(after: terms.duration, at: $1), hasExpired: $0.handBackExpired(at: $1))
        }.reaped
    }

    public func workers() async throws -> [WorkerRecord] { try observe { [terms] in $0.workerRecords(at: $1, terms) } }
}

// MARK: Producers

extension MemoryStore {
    public func open(_ shard: ShardID, by worker: WorkerID) async throws -> ShardOpening {
        try perform(isChange: Self.isOpened) { state, _ in try state.open(shard, by: worker) }
    }

    @discardableResult
    public func emit(_ emission: Emission) async throws -> QueueName? {
        try perform { state, moment in
            try state.emit(emission, at: moment)
            return try state.fullOutput(of: state.place(of: emission.hold.id.stage))
        }
    }

    public func fullOutput(of stage: StageName) async throws -> QueueName? {
        try observe { state, _ in try state.fullOutput(of: state.place(of: stage)) }
    }

    public func isFull(_ queue: QueueName) async throws -> Bool { try observe { state, _ in try state.isFull(queue) } }

    private static func isOpened(_ opening: ShardOpening) -> Bool {
        guard case .opened = opening else { return false }
        return true
    }
}

// MARK: Items

extension MemoryStore {
    @discardableResult
    public func put(_ outputs: [Output]) async throws -> Int {
        try perform { try $0.put(outputs, at: $1) }
    }

    public func claim(_ request: ClaimRequest) async throws -> Claim {
        try perform(isChange: { $0.lease != nil }) { try $0.claim(request, at: $1) }
    }

    public func claimAll(_ stage: StageName, worker: WorkerID) async throws -> Claim {
        try perform(isChange: { $0.lease != nil }) { try $0.claimAll(stage, worker: worker, at: $1) }
    }

    public func commit(_ step: Step, next: ClaimRequest?) async throws -> Claim? {
        try perform { try $0.commit(step, next: next, at: $1) }
    }

    public func commit(_ steps: [Step]) async throws { try perform { try $0.commit(steps, at: $1) } }

    public func commit(_ step: TransactionalStep, next: ClaimRequest?) async throws -> Claim? {
        throw MemoryState.needsDatabase("Stage '\(step.lease.stage)'")
    }

    public func commitAll(
        _ lease: Lease, body: @escaping @Sendable (any TransactionContext, [Item]) throws -> [Output]
    ) async throws {
        throw MemoryState.needsDatabase("Stage '\(lease.stage)'")
    }
}

// MARK: Completion and orders

extension MemoryStore {
    public func evaluate() async throws { try perform { state, _ in try state.evaluate() } }

    public func begin(by who: String) async throws { try perform { state, _ in try state.begin() } }

    public func retry(_ stage: StageName, by who: String) async throws -> Int {
        try perform { state, _ in try state.retry(stage) }
    }

    public func restart(_ stage: StageName, by who: String) async throws {
        try perform { state, _ in try state.restart(stage) }
    }

    @discardableResult
    public func prune(upTo limit: Int) async throws -> Int {
        try perform(isChange: { $0 > 0 }) { $0.prune(upTo: limit, at: $1) }
    }

    public func skip(_ item: ItemID, of stage: StageName, by who: String) async throws {
        try perform { state, _ in try state.skip(item, of: stage) }
    }
}

// MARK: Observing

extension MemoryStore {
    public func status() async throws -> [StageStatus] { try observe { [terms] in try $0.status(at: $1, terms) } }

    public func shards() async throws -> [ShardRecord] { try observe { state, _ in try state.shards() } }

    public func items(in queue: QueueName, after: ItemID?, limit: Int) async throws -> [ItemRecord] {
        try observe { try $0.items(in: queue, after: after, limit: limit, at: $1) }
    }

    public func deadLetters(of stage: StageName?, limit: Int) async throws -> [DeadLetter] {
        try observe { state, _ in try state.deadLetters(of: stage, limit: limit) }
    }

    public func attempts(of stage: StageName?, item: ItemID?, limit: Int) async throws -> [AttemptRecord] {
        try observe { state, _ in try state.attempts(of: stage, item: item, limit: limit) }
    }

    public func verify() async throws -> [Discrepancy] { try observe { state, _ in try state.verify() } }

    /// Wakes all, whatever they wait for.
    public func change(
        of what: Awaited, since mark: ChangeMark?, within timeout: Duration
    ) async throws -> ChangeMark {
        if let mark {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.wait(since: mark.value) }
                group.addTask { [time] in
                    // It only throws when the change came first.
                    try? await time.sleep(for: timeout)
                }
                await group.next()
                group.cancelAll()
            }
        }
        try Task.checkCancellation()
        return ChangeMark(core.withLock { $0.changes.version })
    }

    private func wait(since seen: Int64) async {
        let number = core.withLock { $0.changes.nextNumber() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                // A cancellation that came before the waiter was kept has found nobody to wake.
                let isWaiting = core.withLock {
                    !Task.isCancelled && $0.changes.keep(waiter, number, since: seen)
                }
                if !isWaiting { waiter.resume() }
            }
        } onCancel: {
            core.withLock { $0.changes.remove(number) }?.resume()
        }
    }
}
