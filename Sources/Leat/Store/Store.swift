/// Where queues, leases and completions are kept: the seam between the engine and its tables.
///
/// Every method is one transaction. A store decides nothing of its own about
/// retries, breakers or completion: it calls ``RetryPolicy``, ``Breaker`` and
/// ``CompletionRules`` inside its transactions. What a store must do is written
/// as `StoreConformance` in `LeatTesting`, which each store passes, together with
/// a model test.
///
/// - Important: No method gives up half way when its task is cancelled: a step that was begun is committed or undone.
public protocol Store: Sendable {
    var time: any TimeSource { get }
    var terms: LeaseTerms { get }

    // MARK: The pipeline

    /// Writes the plan down, or checks it against the one that is there.
    ///
    /// Policies may change from run to run; stages, queues and edges may not.
    /// New shards may be added as long as their queue is open.
    ///
    /// - Throws: ``LeatError/Code/pipelineChanged``.
    func install(_ plan: Plan) async throws
    /// The plan that is written down, if there is one.
    func plan() async throws -> Plan?
    /// Writes down what the pipeline is run from.
    func note(_ source: RunSource) async throws
    /// What the pipeline was last run from, if that was written down.
    func source() async throws -> RunSource?
    /// Identifies this run for ever; part of every idempotency key.
    func runID() async throws -> String
    /// Runs once, in a transaction of its own: makes the tables that a stage's closures write to.
    func prepare(_ body: @escaping @Sendable (any TransactionContext) throws -> Void) async throws

    // MARK: Queues on their own

    /// Makes a queue on its own, or finds the queue of that name.
    ///
    /// - Parameters:
    ///   - name: becomes part of its tables' names.
    ///   - policy: replaces what is written down; `nil` leaves it. Of a pipeline's queue it is refused.
    /// - Returns: what takes from it: of a queue on its own the stage of the same name.
    func makeQueue(_ name: QueueName, policy: StagePolicy?) async throws -> StageSpec
    /// Completes a queue's set of producers: it closes as soon as the stages that feed it have ended, at once if there
    /// are none, and takes nothing more then.
    func seal(_ queue: QueueName, by who: String) async throws
    /// Opens a queue for items from outside, whether it was closed or not, until it is sealed. Whatever followed from
    /// its end is taken back.
    func reopen(_ queue: QueueName, by who: String) async throws
    /// Lets a lease on a queue on its own last so long from now on.
    ///
    /// - Throws: ``LeatError/Code/leaseLost``, when it is no longer the worker's. That is not counted as a refusal: a renewal
    ///   may cross the step that settles the last of its items.
    func renew(_ lease: Lease, for duration: Duration) async throws

    // MARK: Schedules

    /// Where a recurring producer of a queue stands: the last tick that has its item, in milliseconds since 1970. One
    /// that is new stands at the store's time.
    ///
    /// - Throws: ``LeatError/Code/refused`` when the name is that of one which puts into another queue.
    func begin(_ schedule: ScheduleName, into queue: QueueName) async throws -> Int64
    /// Puts what a tick gives and notes the tick, in one transaction, if the schedule stands where the caller believes.
    ///
    /// - Returns: whether it did.
    func put(_ outputs: [Output], at tick: Int64, of schedule: ScheduleName, after last: Int64) async throws -> Bool

    // MARK: Workers

    func enroll(_ enrollment: Enrollment) async throws -> WorkerID
    /// A heartbeat, called from a thread of its own and on a connection of its own; blocks.
    func beat(_ worker: WorkerID) throws -> Beat
    /// Writes down how a worker ended and hands back what it held. A second call for one worker changes nothing.
    @discardableResult
    func end(_ worker: WorkerID, _ ending: WorkerEnding) async throws -> DeathAccount
    /// The same from the heartbeat's thread, just before it ends the process.
    ///
    /// - Parameters:
    ///   - worker: whose process is about to end.
    ///   - ending: how.
    ///   - culprit: the item that was in hand, when that is known: it is put under suspicion, the others are handed
    ///     back.
    func endBlocking(_ worker: WorkerID, _ ending: WorkerEnding, culprit: ItemID?) throws
    /// Finds workers that died, or have been silent for longer than their lease, and ends them.
    ///
    /// - Parameter supervisor: the caller's process, if it supervises: its own children are left to it, since it
    ///   learns how they died.
    func reap(supervisor: Int32?) async throws -> [Reaped]
    func workers() async throws -> [WorkerRecord]

    // MARK: Producers

    /// Takes a shard: already complete, live elsewhere, or taken over from its cursor with the next epoch.
    func open(_ shard: ShardID, by worker: WorkerID) async throws -> ShardOpening
    /// - Returns: a queue that the stage puts into and that is full now, if there is one.
    /// - Throws: ``LeatError/Code/fenced`` when another worker has taken the shard over, with nothing committed.
    @discardableResult
    func emit(_ emission: Emission) async throws -> QueueName?
    /// A queue that the stage puts into and that is full now, if there is one.
    func fullOutput(of stage: StageName) async throws -> QueueName?
    /// Whether a queue holds as many unsettled items as it may.
    func isFull(_ queue: QueueName) async throws -> Bool

    // MARK: Items

    /// Puts items from outside the pipeline, in one transaction. A closed queue refuses them.
    @discardableResult
    func put(_ outputs: [Output]) async throws -> Int
    func claim(_ request: ClaimRequest) async throws -> Claim
    /// Claims the whole input of a stage that runs when it is closed; one lease.
    func claimAll(_ stage: StageName, worker: WorkerID) async throws -> Claim
    /// Commits a step, and claims the next batch in the same transaction when `next` is given.
    ///
    /// - Throws: ``LeatError/Code/leaseLost``, with nothing committed and the refusal counted.
    func commit(_ step: Step, next: ClaimRequest?) async throws -> Claim?
    /// Commits steps of one worker under several leases, in one transaction.
    ///
    /// - Throws: ``LeatError/Code/leaseLost`` when one of them is lost, with nothing of any committed.
    func commit(_ steps: [Step]) async throws
    /// Does a step's work inside its transaction and commits both.
    func commit(_ step: TransactionalStep, next: ClaimRequest?) async throws -> Claim?
    /// Does the work of a whole input inside the transaction of its acknowledgement and its ending.
    func commitAll(
        _ lease: Lease, body: @escaping @Sendable (any TransactionContext, [Item]) throws -> [Output]
    ) async throws

    // MARK: Completion and orders

    /// Evaluates completion for all stages, in case a crash fell between an event and its evaluation.
    func evaluate() async throws
    /// What calling `run` orders: trips and crash budgets are cleared.
    func begin(by who: String) async throws
    /// Makes a stage's dead items ready with a fresh budget, and reopens what follows, in one transaction.
    ///
    /// - Returns: how many items.
    func retry(_ stage: StageName, by who: String) async throws -> Int
    /// Clears a failed stage's trip and crash budget.
    func restart(_ stage: StageName, by who: String) async throws
    /// Settles an item without effect. A leased item's lease is taken away first.
    func skip(_ item: ItemID, of stage: StageName, by who: String) async throws

    /// Removes items that are done and that their queue's policy does not keep, the oldest first.
    ///
    /// - Parameter limit: at most so many of each queue, so that nobody waits for long.
    /// - Returns: how many.
    @discardableResult
    func prune(upTo limit: Int) async throws -> Int

    // MARK: Observing

    func status() async throws -> [StageStatus]
    /// How far the producers' shards are, those of a producer in the order of their names.
    func shards() async throws -> [ShardRecord]
    /// Every queue, those on their own among them.
    func queues() async throws -> [QueueStatus]
    func items(in queue: QueueName, after: ItemID?, limit: Int) async throws -> [ItemRecord]
    func deadLetters(of stage: StageName?, limit: Int) async throws -> [DeadLetter]
    /// The attempts that failed, the last one first: of a stage, of one of its items, or all. What was put off without
    /// blame is none.
    func attempts(of stage: StageName?, item: ItemID?, limit: Int) async throws -> [AttemptRecord]
    /// Counts the rows and holds them against the counts that were kept apart from them.
    func verify() async throws -> [Discrepancy]
    /// Waits until something has been committed since a mark was given out, or until `timeout` is over.
    ///
    /// A caller that looks (claims in vain) between two calls misses nothing: whatever is committed after its mark ends
    /// its next wait at once.
    ///
    /// - Parameters:
    ///   - what: what is waited for.
    ///   - mark: what the caller's last call for the same returned; `nil` gives out a first mark at once.
    ///   - timeout: after which it returns all the same.
    /// - Returns: the mark of what there is now.
    /// - Throws: `CancellationError`, when the task is cancelled while it waits.
    func change(of what: Awaited, since mark: ChangeMark?, within timeout: Duration) async throws -> ChangeMark
}

/// What somebody waits for.
public enum Awaited: Sendable, Hashable {
    /// Whatever is committed.
    case anything
    /// Something to claim from a queue, or the queue's end.
    ///
    /// Of those who wait for it, in whatever processes, as many are woken as there is work for. It is a hint: what
    /// somebody else's program has put, or what was put by one who died just then, is told to nobody. So whoever waits
    /// claims again after a second in any case.
    case work(in: QueueName)
    /// That a full queue is no longer so. A hint, likewise.
    case room(in: QueueName)
}

extension Store {
    /// The same for whatever is committed.
    public func change(since mark: ChangeMark?, within timeout: Duration) async throws -> ChangeMark {
        try await change(of: .anything, since: mark, within: timeout)
    }
}
