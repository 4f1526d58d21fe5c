internal import GRDB
internal import Leat
internal import Synchronization

/// One open transaction: its statements, its time, and the plan that it works by. All but those of ``SQLiteStore/look(_:)``
/// may write.
///
/// Its methods are spread over the files of this folder, a file a theme. None of them begins or ends the transaction,
/// so any of them may be put together into one step.
struct Transaction {
    let store: SQLiteStore
    let database: Database
    let sql: Connection
    /// Wall clock, milliseconds.
    let now: Int64
    /// The host's monotonic clock, nanoseconds.
    let began: Int64

    init(store: SQLiteStore, database: Database, sql: Connection) {
        self.store = store
        self.database = database
        self.sql = sql
        now = store.time.wallClock
        began = store.time.instant
    }

    /// The same transaction, as a further step in it finds the time.
    func later() -> Transaction { Transaction(store: store, database: database, sql: sql) }

    var time: any TimeSource { store.time }
    /// Whom it will wake.
    var rings: Rings { sql.rings }

    /// The plan, read from its tables once a process, and kept until somebody changes it.
    func plan() throws -> Plan {
        if let plan = store.shared.withLock({ $0.plan }) { return plan }
        guard let plan = try storedPlan() else {
            throw LeatError(.notFound, "This database holds no pipeline and no queue yet; run the program once.")
        }
        try keep(plan)
        return plan
    }

    func keep(_ plan: Plan) throws {
        let version = try sql(Self.planVersionQuery).first { $0.int(0) } ?? 0
        store.shared.withLock { ($0.plan, $0.planVersion) = (plan, version) }
    }

    /// Whether the plan that this process works by is this snapshot's.
    func knowsPlan() throws -> Bool {
        guard let known = store.shared.withLock({ $0.plan == nil ? nil : $0.planVersion }) else { return false }
        return try sql(Self.planVersionQuery).first { $0.int(0) } == known
    }

    /// At the beginning: another process may have changed the plan, or a change of our own been undone.
    func forgetChangedPlan() throws {
        guard let known = store.shared.withLock({ $0.plan == nil ? nil : $0.planVersion }) else { return }
        let version = try sql(Self.planVersionQuery).first { $0.int(0) } ?? 0
        if version != known { store.shared.withLock { $0.plan = nil } }
    }

    static let planVersion = "SELECT coalesce(max(plan_version), 0) FROM leat_run"
    private static let planVersionQuery = Query(planVersion)

    /// The plan, read again when it does not have what is asked for: another process may have made a queue since.
    func plan(having isThere: (Plan) -> Bool) throws -> Plan {
        if let plan = store.shared.withLock({ $0.plan }), isThere(plan) { return plan }
        store.shared.withLock { $0.plan = nil }
        return try plan()
    }

    /// Identifies the run for ever.
    func runID() throws -> String { try sql(Self.runQuery).first(body: { $0.text(0) }) ?? "" }

    private static let runQuery = Query("SELECT id FROM leat_run")

    func stage(_ name: StageName) throws -> StageSpec {
        let plan = try plan(having: { $0.stage(name) != nil })
        guard let stage = plan.stage(name) else {
            let names = plan.stages.map(\.name.rawValue).joined(separator: ", ")
            throw LeatError(.notFound, "There is no stage '\(name)'; the stages are \(names).")
        }
        return stage
    }

    /// The stage with its input queue, for the verbs that need one.
    func stageAndInput(_ name: StageName) throws -> (StageSpec, QueueName) {
        let stage = try stage(name)
        guard let input = stage.input else {
            throw LeatError(.refused, "Stage '\(name)' has no input, so it has no items.")
        }
        return (stage, input)
    }

    /// Gives the duration of a long transaction to every worker and lease that was live when it began: while it held the
    /// lock nothing could be renewed. A worker has at least a whole lease from now, since its heartbeat stands in the queue
    /// of all who have waited as long.
    func lengthenLeases() throws {
        guard wasLong else { return }
        let lasted = time.instant - began
        try sql(Self.lengthenQuery).run(.int(lasted), .text(time.bootID), .int(began), .int(began + lasted))
        try sql(Self.lengthenLeasesQuery).run(
            .int(lasted), .text(time.bootID), .int(began), .int((lasted + 999_999) / 1_000_000), .int(now))
    }

    /// Whether it has lasted longer than a heartbeat.
    var wasLong: Bool { time.instant - began > store.terms.heartbeat.nanoseconds }

    private static let lengthenQuery = Query(
        """
        UPDATE leat_workers SET expires_at = max(expires_at + ?1, ?4 + coalesce(lease_ms, 0) * 1000000)
        WHERE ended_at IS NULL AND boot = ?2 AND expires_at >= ?3
        """)

    private static let lengthenLeasesQuery = Query(
        """
        UPDATE leat_leases SET expires_at = expires_at + CASE clock WHEN 'wall' THEN ?4 ELSE ?1 END
        WHERE expires_at IS NOT NULL
            AND CASE clock WHEN 'wall' THEN expires_at >= ?5 WHEN ?2 THEN expires_at >= ?3 ELSE 0 END
        """)

    /// Writes down who ordered what.
    func record(_ what: String, by who: String, stage: StageName? = nil, item: ItemID? = nil) throws {
        try sql(Self.eventQuery).run(
            .int(now), .text(who), .text(what), .optional(stage?.rawValue), .optional(item?.rawValue))
    }

    private static let eventQuery = Query(
        "INSERT INTO leat_events (at, who, what, stage, item) VALUES (?1, ?2, ?3, ?4, ?5)")
}

/// What a closure that sees the database is given.
struct SQLiteContext: TransactionContext {
    let database: Database
}
