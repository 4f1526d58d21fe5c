internal import GRDB
public import Leat
internal import Synchronization

// The `Store` protocol, one transaction a method; each is written in `Transaction/`.
extension SQLiteStore {
    public func install(_ plan: Plan) async throws { try await write { try $0.install(plan) } }

    public func makeQueue(_ name: QueueName, policy: StagePolicy?) async throws -> StageSpec {
        try await write { try $0.makeQueue(name, policy: policy) }
    }
    public func seal(_ queue: QueueName, by who: String) async throws {
        try await write { try $0.seal(queue, by: who) }
    }
    public func reopen(_ queue: QueueName, by who: String) async throws {
        try await write { try $0.reopen(queue, by: who) }
    }
    public func renew(_ lease: Lease, for duration: Duration) async throws {
        try await write(sharing: .allowed) { try $0.renew(lease, for: duration) }
    }

    public func plan() async throws -> Plan? { try await reading { try Transaction.storedPlan(in: $0) } }

    public func note(_ source: RunSource) async throws { try await write { try $0.note(source) } }

    public func source() async throws -> RunSource? { try await reading { try Transaction.source(in: $0) } }

    public func runID() async throws -> String {
        try await observe { [self] in try run($0) }
    }

    func run(_ connection: Connection) throws -> String {
        var id: String?
        try connection.each("SELECT id FROM leat_run") { id = $0.text(0) }
        guard let id else {
            throw LeatError(.notFound, "This database holds no pipeline and no queue yet; run the program once.")
        }
        return id
    }

    public func prepare(_ body: @escaping @Sendable (any TransactionContext) throws -> Void) async throws {
        try await write { transaction in
            try transaction.callingOut { try body(SQLiteContext(database: transaction.database)) }.get()
        }
    }

    public func open(_ shard: ShardID, by worker: WorkerID) async throws -> ShardOpening {
        try await write { try $0.open(shard, by: worker) }
    }

    @discardableResult
    public func emit(_ emission: Emission) async throws -> QueueName? {
        try await countingRefusals(of: emission.hold.id.stage) {
            try await write(
                countingAsWork: true, sharing: emission.body == nil ? .allowed : .alone,
                surviving: durability(of: emission.hold.id.stage)
            ) { [self] transaction in
                try transaction.emit(emission)
                let stage = try transaction.stage(emission.hold.id.stage)
                if let full = try transaction.fullOutput(of: stage) { return full }
                // The next look says why.
                return shortage == nil ? nil : stage.outputs.first
            }
        }
    }

    public func fullOutput(of stage: StageName) async throws -> QueueName? {
        if let shortage = lackOfRoom { throw shortage }
        return try await write(sharing: .allowed) { try $0.fullOutput(of: $0.stage(stage)) }
    }

    public func isFull(_ queue: QueueName) async throws -> Bool {
        try await write(sharing: .allowed) { try $0.isFull(queue) }
    }

    public func put(_ outputs: [Output]) async throws -> Int {
        try await write(countingAsWork: true, sharing: .allowed, surviving: durability(ofPuts: outputs)) {
            try $0.put(outputs, from: nil)
        }
    }

    public func begin(_ schedule: ScheduleName, into queue: QueueName) async throws -> Int64 {
        try await write { try $0.begin(schedule, into: queue) }
    }

    public func put(
        _ outputs: [Output], at tick: Int64, of schedule: ScheduleName, after last: Int64
    ) async throws -> Bool {
        try await write(countingAsWork: true, surviving: durability(ofPuts: outputs)) {
            try $0.put(outputs, at: tick, of: schedule, after: last)
        }
    }

    public func claim(_ request: ClaimRequest) async throws -> Claim {
        let outlook = outlook(for: request.stage)
        if outlook?.isQuiet == true, let claim = try await look({ try $0.claim(request).claim }) { return claim }
        // It needs no sync of its own: a power cut ends whoever holds it, and its items are ready again.
        return try await write(sharing: .allowed, surviving: .processCrash) {
            try $0.claim(request)
        } then: { [self] in
            note($0, after: outlook)
            return try $0.read(on: $1)
        }
    }

    public func claimAll(_ stage: StageName, worker: WorkerID) async throws -> Claim {
        try await write { try $0.claimAll(stage, worker: worker) }
    }

    public func commit(_ step: Step, next: ClaimRequest?) async throws -> Claim? {
        let outlook = next == nil ? nil : outlook(for: step.stage)
        return try await countingRefusals(of: step.stage) {
            try await write(countingAsWork: true, sharing: .allowed, surviving: durability(of: step.stage)) {
                try $0.commit(step, next: next)
            } then: { [self] in
                if let claimed = $0 { note(claimed, after: outlook) }
                return try $0?.read(on: $1)
            }
        }
    }

    public func commit(_ steps: [Step]) async throws {
        guard let stage = steps.first?.stage else { return }
        try await countingRefusals(of: stage) {
            try await write(countingAsWork: true, sharing: .allowed, surviving: durability(of: stage)) { transaction in
                for step in steps { try transaction.apply(step) }
            }
        }
    }

    public func commit(_ step: TransactionalStep, next: ClaimRequest?) async throws -> Claim? {
        try await countingRefusals(of: step.lease.stage) {
            try await write(countingAsWork: true, surviving: durability(of: step.lease.stage)) { transaction in
                try transaction.apply(step)
                let claim = try transaction.claimNext(next)
                try transaction.tellReady(in: transaction.stage(step.lease.stage).input)
                return claim
            } then: {
                try $0?.read(on: $1)
            }
        }
    }

    public func commitAll(
        _ lease: Lease, body: @escaping @Sendable (any TransactionContext, [Item]) throws -> [Output]
    ) async throws {
        try await countingRefusals(of: lease.stage) {
            try await write(countingAsWork: true, surviving: durability(of: lease.stage)) { transaction in
                try transaction.apply(Step(.done, of: lease, endsStage: true)) {
                    try body(SQLiteContext(database: transaction.database), lease.items)
                }
            }
        }
    }

    /// What a stage's commits are to survive, as far as its plan has been read.
    private func durability(of stage: StageName) -> Durability {
        shared.withLock { $0.plan?.stage(stage)?.policy.durability } ?? .powerCut
    }

    /// The same of puts from outside: what any of the queues asks for.
    private func durability(ofPuts outputs: [Output]) -> Durability {
        guard let plan = shared.withLock({ $0.plan }) else { return .powerCut }
        var last: QueueName?
        for output in outputs where output.queue != last {
            last = output.queue
            if plan.consumer(of: output.queue)?.policy.durability != .processCrash { return .powerCut }
        }
        return outputs.isEmpty ? .powerCut : .processCrash
    }

    /// A step that came too late changes nothing but this count, in a transaction of its own.
    private func countingRefusals<T: Sendable>(
        of stage: StageName, _ body: () async throws -> T
    ) async throws -> T {
        do {
            return try await body()
        } catch let error as LeatError where error.code == .leaseLost || error.code == .fenced {
            do {
                try await write { transaction in
                    try transaction.database.execute(
                        sql: "UPDATE leat_counts SET refused = refused + 1 WHERE stage = ?",
                        arguments: [stage.rawValue])
                }
            } catch {
                // A count that can't be written must not hide from the worker that its lease is lost.
            }
            throw error
        }
    }

    public func evaluate() async throws {
        try await writeIfNeeded { try $0.cascade() }
    }
    @discardableResult
    public func prune(upTo limit: Int) async throws -> Int {
        let old = time.wallClock - 3_600_000
        let (plan, hasOld) = try await observe { [self] connection in
            var hasOld = false
            try connection.each(Transaction.oldClaimers + " LIMIT 1", [.int(old)]) { _ in hasOld = true }
            return (try knownPlan(connection), hasOld)
        }
        if hasOld { try await write { try $0.forgetClaimers(endedBefore: old) } }
        let stages = plan.stages.filter { $0.policy.keep != .all }
        var count = 0
        for stage in stages { count += try await writeIfNeeded { try $0.prune(stage, upTo: limit) } }
        return count
    }
    public func begin(by who: String) async throws { try await write { try $0.begin(by: who) } }
    public func retry(_ stage: StageName, by who: String) async throws -> Int {
        try await write { try $0.retry(stage, by: who) }
    }
    public func restart(_ stage: StageName, by who: String) async throws {
        try await write { try $0.restart(stage, by: who) }
    }
    public func skip(_ item: ItemID, of stage: StageName, by who: String) async throws {
        try await write { try $0.skip(item, of: stage, by: who) }
    }
}
