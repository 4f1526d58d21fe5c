/// A store that passes every step on to another, but for those that a conforming type writes itself.
package protocol ForwardingStore: Store {
    var base: any Store { get }
}

extension ForwardingStore {
    package var time: any TimeSource { base.time }
    package var terms: LeaseTerms { base.terms }

    package func install(_ plan: Plan) async throws { try await base.install(plan) }
    package func plan() async throws -> Plan? { try await base.plan() }
    package func note(_ source: RunSource) async throws { try await base.note(source) }
    package func source() async throws -> RunSource? { try await base.source() }
    package func runID() async throws -> String { try await base.runID() }
    package func prepare(_ body: @escaping @Sendable (any TransactionContext) throws -> Void) async throws {
        try await base.prepare(body)
    }

    package func makeQueue(_ name: QueueName, policy: StagePolicy?) async throws -> StageSpec {
        try await base.makeQueue(name, policy: policy)
    }
    package func seal(_ queue: QueueName, by who: String) async throws { try await base.seal(queue, by: who) }
    package func reopen(_ queue: QueueName, by who: String) async throws { try await base.reopen(queue, by: who) }
    package func renew(_ lease: Lease, for duration: Duration) async throws {
        try await base.renew(lease, for: duration)
    }
    package func queues() async throws -> [QueueStatus] { try await base.queues() }

    package func begin(_ schedule: ScheduleName, into queue: QueueName) async throws -> Int64 {
        try await base.begin(schedule, into: queue)
    }
    package func put(
        _ outputs: [Output], at tick: Int64, of schedule: ScheduleName, after last: Int64
    ) async throws -> Bool {
        try await base.put(outputs, at: tick, of: schedule, after: last)
    }

    package func enroll(_ enrollment: Enrollment) async throws -> WorkerID { try await base.enroll(enrollment) }
    package func beat(_ worker: WorkerID) throws -> Beat { try base.beat(worker) }
    package func end(_ worker: WorkerID, _ ending: WorkerEnding) async throws -> DeathAccount {
        try await base.end(worker, ending)
    }
    package func endBlocking(_ worker: WorkerID, _ ending: WorkerEnding, culprit: ItemID?) throws {
        try base.endBlocking(worker, ending, culprit: culprit)
    }
    package func reap(supervisor: Int32?) async throws -> [Reaped] { try await base.reap(supervisor: supervisor) }
    package func workers() async throws -> [WorkerRecord] { try await base.workers() }

    package func open(_ shard: ShardID, by worker: WorkerID) async throws -> ShardOpening {
        try await base.open(shard, by: worker)
    }
    package func emit(_ emission: Emission) async throws -> QueueName? { try await base.emit(emission) }
    package func fullOutput(of stage: StageName) async throws -> QueueName? { try await base.fullOutput(of: stage) }

    package func isFull(_ queue: QueueName) async throws -> Bool { try await base.isFull(queue) }

    package func put(_ outputs: [Output]) async throws -> Int { try await base.put(outputs) }
    package func claim(_ request: ClaimRequest) async throws -> Claim { try await base.claim(request) }
    package func claimAll(_ stage: StageName, worker: WorkerID) async throws -> Claim {
        try await base.claimAll(stage, worker: worker)
    }
    package func commit(_ step: Step, next: ClaimRequest?) async throws -> Claim? {
        try await base.commit(step, next: next)
    }
    package func commit(_ steps: [Step]) async throws { try await base.commit(steps) }
    package func commit(_ step: TransactionalStep, next: ClaimRequest?) async throws -> Claim? {
        try await base.commit(step, next: next)
    }
    package func commitAll(
        _ lease: Lease, body: @escaping @Sendable (any TransactionContext, [Item]) throws -> [Output]
    ) async throws {
        try await base.commitAll(lease, body: body)
    }

    package func evaluate() async throws { try await base.evaluate() }
    package func begin(by who: String) async throws { try await base.begin(by: who) }
    package func retry(_ stage: StageName, by who: String) async throws -> Int { try await base.retry(stage, by: who) }
    package func restart(_ stage: StageName, by who: String) async throws { try await base.restart(stage, by: who) }
    package func skip(_ item: ItemID, of stage: StageName, by who: String) async throws {
        try await base.skip(item, of: stage, by: who)
    }

    package func prune(upTo limit: Int) async throws -> Int { try await base.prune(upTo: limit) }

    package func status() async throws -> [StageStatus] { try await base.status() }
    package func shards() async throws -> [ShardRecord] { try await base.shards() }
    package func items(in queue: QueueName, after: ItemID?, limit: Int) async throws -> [ItemRecord] {
        try await base.items(in: queue, after: after, limit: limit)
    }
    package func deadLetters(of stage: StageName?, limit: Int) async throws -> [DeadLetter] {
        try await base.deadLetters(of: stage, limit: limit)
    }
    package func attempts(of stage: StageName?, item: ItemID?, limit: Int) async throws -> [AttemptRecord] {
        try await base.attempts(of: stage, item: item, limit: limit)
    }
    package func verify() async throws -> [Discrepancy] { try await base.verify() }
    package func change(of what: Awaited, since mark: ChangeMark?, within timeout: Duration) async throws -> ChangeMark
    {
        try await base.change(of: what, since: mark, within: timeout)
    }
}
