internal import GRDB
internal import Leat

/// The operator's questions as views: `leat_queue_status`, `leat_stage_status`, `leat_dead_letters`.
///
/// They are made when the pipeline is written down, since they name every queue's tables. The store asks the same text
/// with its own clock for `now`, so that what `status` says and what `sqlite3` shows differ in one thing only: the store
/// also looks at the locks of workers, which a view can't.
///
/// Counts come from counters, leases and the frontier: only rows off the straight path are counted one by one.
struct StatusViews {
    let plan: Plan

    init(_ plan: Plan) { self.plan = plan }

    /// The wall clock in milliseconds, in SQL that SQLite 3.40 knows.
    private static let wallClock = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"

    /// The workers that live, as far as a reader can see: those that were seen within their lease.
    ///
    /// - Parameter gone: workers that are known to be dead, as a JSON array.
    private static func live(now: String, gone: String?) -> String {
        """
        live AS MATERIALIZED (
            SELECT id, stage FROM leat_workers
            WHERE ended_at IS NULL AND (lease_ms IS NULL OR seen_at + lease_ms > \(now))\(gone.map { " AND id NOT IN (SELECT value FROM json_each(\($0)))" } ?? "")
        )
        """
    }

    private var texts: [(name: String, sql: String)] {
        [
            ("leat_queue_status", "CREATE VIEW leat_queue_status AS\n\(queueStatus(now: Self.wallClock))"),
            (
                "leat_stage_status",
                """
                CREATE VIEW leat_stage_status AS
                WITH RECURSIVE
                \(Self.live(now: Self.wallClock, gone: nil)),
                \(cycles),
                \(Self.stageStatus)
                """
            ),
            ("leat_dead_letters", "CREATE VIEW leat_dead_letters AS\n\(deadLetters)"),
        ]
    }

    /// Makes those that are missing, were changed, or do not know all queues.
    func renew(in database: Database) throws {
        for view in texts {
            let found = try String.fetchOne(
                database, sql: "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?", arguments: [view.name])
            guard found != view.sql else { continue }
            try database.execute(sql: "DROP VIEW IF EXISTS \(view.name); \(view.sql)")
        }
    }

    /// `leat_stage_status` under another clock, bound as the first argument; the second names the workers that are
    /// known to be dead, as a JSON array.
    var stageStatus: String {
        """
        WITH RECURSIVE
        leat_queue_status AS (
        \(queueStatus(now: "?1"))
        ),
        \(Self.live(now: "?1", gone: "?2")),
        \(cycles),
        \(Self.stageStatus)
        """
    }

    /// `leat_queue_status` under another clock, bound as the first argument.
    var queueStatus: String { queueStatus(now: "?1") }

    private func queueStatus(now: String) -> String {
        plan.queues.map { queue in
            """
            SELECT
                q.name AS queue,
                k.stage AS stage,
                \(Transaction.isClosedExpression) AS closed,
                q.sealed AS sealed,
                max(0, (SELECT coalesce(max(id), 0) FROM q_\(queue)) - q.frontier + 1)
                    - (SELECT count(*) FROM qs_\(queue) WHERE id >= q.frontier)
                    + (SELECT coalesce(sum(items), 0) FROM leat_leases WHERE queue = q.name AND worker = 0)
                    + r.ready AS ready,
                r.waiting AS waiting,
                (SELECT coalesce(sum(items), 0) FROM leat_leases WHERE queue = q.name AND worker > 0) AS leased,
                k.acknowledged - k.reopened AS done,
                r.dead AS dead,
                r.skipped AS skipped,
                r.superseded AS superseded
            FROM leat_queues AS q
            JOIN leat_counts AS k ON k.stage = (SELECT name FROM leat_stages WHERE input = q.name)
            JOIN (
                SELECT
                    coalesce(sum(state = 'ready' OR (state = 'waiting' AND visible_at <= \(now))), 0) AS ready,
                    coalesce(sum(state = 'waiting' AND (visible_at IS NULL OR visible_at > \(now))), 0) AS waiting,
                    coalesce(sum(state = 'dead'), 0) AS dead,
                    coalesce(sum(state = 'skipped'), 0) AS skipped,
                    coalesce(sum(state = 'superseded'), 0) AS superseded
                FROM qs_\(queue)
            ) AS r
            WHERE q.name = '\(queue)'
            """
        }.joined(separator: "\nUNION ALL\n")
    }

    /// Every dead letter with its reason, and what its last attempt left on standard error (`leat_attempts_item`): only
    /// rows off the path are read.
    var deadLetters: String {
        let parts = plan.stages.compactMap { stage in
            stage.input.map { queue in
                """
                SELECT '\(stage.name)' AS stage, '\(queue)' AS queue, s.id AS item, s.attempts AS attempts, s.reason AS reason,
                    i.payload AS payload
                FROM qs_\(queue) AS s JOIN q_\(queue) AS i ON i.id = s.id
                WHERE s.state = 'dead'
                """
            }
        }
        return """
            SELECT d.*, (
                SELECT a.error_output FROM leat_attempts AS a
                WHERE a.stage = d.stage AND a.item = d.item
                ORDER BY a.id DESC
                LIMIT 1
            ) AS error_output
            FROM (\(parts.joined(separator: "\nUNION ALL\n"))) AS d
            """
    }

    /// The stages that feed each other, by the number of their cycle: they are settled together.
    private var cycles: String {
        var rows: [String] = []
        for (number, unit) in plan.units.enumerated() {
            for name in unit {
                guard let stage = plan.stage(name), let input = stage.input else { continue }
                if unit.count > 1 || stage.outputs.contains(input) { rows.append("('\(name)', \(number))") }
            }
        }
        let table = rows.isEmpty ? "SELECT NULL, NULL WHERE 0" : "VALUES \(rows.joined(separator: ", "))"
        return "cycles (stage, unit) AS (\(table))"
    }

    private static let stageStatus = """
        shards AS (
            SELECT
                p.stage AS stage,
                count(*) AS known,
                sum(p.complete) AS complete,
                sum(NOT p.complete AND p.live IS 1) AS owned
            FROM (
                SELECT
                    p.stage,
                    EXISTS (SELECT 1 FROM leat_completions AS c WHERE c.stage = p.stage AND c.shard = p.shard)
                        OR EXISTS (SELECT 1 FROM leat_endings AS n WHERE n.stage = p.stage) AS complete,
                    p.owner IN (SELECT id FROM live) AS live
                FROM leat_producers AS p
            ) AS p
            GROUP BY p.stage
        ),
        facts AS MATERIALIZED (
            SELECT
                s.name AS stage,
                s.position AS position,
                s.kind AS kind,
                s.takes_all AS takes_all,
                EXISTS (SELECT 1 FROM leat_after AS a WHERE a.stage = s.name) AS is_after,
                EXISTS (SELECT 1 FROM leat_endings AS n WHERE n.stage = s.name) AS ended,
                k.endings AS endings,
                k.failures AS failures,
                k.refused AS refused,
                (SELECT coalesce(sum(e.inserted), 0) FROM leat_edges AS e WHERE e.stage = s.name) AS emitted,
                (SELECT count(*) FROM live AS w WHERE w.stage = s.name) AS workers,
                (SELECT t.reason FROM leat_trips AS t WHERE t.stage = s.name) AS trip,
                CASE WHEN s.input IS NULL THEN h.known = h.complete ELSE q.closed END AS closed,
                CASE WHEN s.input IS NULL THEN h.known - h.complete - h.owned ELSE q.ready END AS ready,
                CASE WHEN s.input IS NULL THEN 0 ELSE q.waiting END AS waiting,
                CASE WHEN s.input IS NULL THEN h.owned ELSE q.leased END AS leased,
                CASE WHEN s.input IS NULL THEN h.complete ELSE q.done END AS done,
                CASE WHEN s.input IS NULL THEN 0 ELSE q.dead END AS dead,
                CASE WHEN s.input IS NULL THEN 0 ELSE q.skipped END AS skipped,
                s.max_dead AS max_dead,
                s.max_dead_percent AS max_dead_percent
            FROM leat_stages AS s
            JOIN leat_counts AS k ON k.stage = s.name
            LEFT JOIN leat_queue_status AS q ON q.queue = s.input
            LEFT JOIN shards AS h ON h.stage = s.name
        ),
        judged AS MATERIALIZED (
            SELECT
                f.*,
                f.trip IS NOT NULL OR (f.settled AND NOT f.tolerated) AS failed,
                f.settled AND f.tolerated AND f.trip IS NULL AND (NOT f.has_ending OR f.ended) AS complete
            FROM (
                SELECT
                    f.*,
                    f.takes_all OR f.is_after AS has_ending,
                    CASE
                        WHEN y.unit IS NULL THEN f.closed AND f.ready + f.waiting + f.leased = 0
                        ELSE NOT EXISTS (
                                SELECT 1 FROM cycles AS o JOIN facts AS m ON m.stage = o.stage
                                WHERE o.unit = y.unit AND m.ready + m.waiting + m.leased > 0
                            )
                            AND NOT EXISTS (
                                SELECT 1 FROM cycles AS o
                                JOIN leat_stages AS s ON s.name = o.stage
                                JOIN leat_edges AS e ON e.queue = s.input
                                JOIN leat_producers AS p ON p.stage = e.stage
                                WHERE o.unit = y.unit
                                    AND e.stage NOT IN (SELECT stage FROM cycles WHERE unit = y.unit)
                                    AND NOT EXISTS (
                                        SELECT 1 FROM leat_completions AS c
                                        WHERE c.queue = e.queue AND c.stage = p.stage AND c.shard = p.shard
                                    )
                            )
                            AND NOT EXISTS (
                                SELECT 1 FROM cycles AS o
                                JOIN leat_stages AS s ON s.name = o.stage
                                JOIN leat_queues AS u ON u.name = s.input
                                WHERE o.unit = y.unit AND NOT u.sealed
                            )
                    END AS settled,
                    (f.max_dead IS NULL OR f.dead <= f.max_dead)
                        AND (
                            f.max_dead_percent IS NULL OR f.dead = 0
                            OR f.dead * 100.0 <= f.max_dead_percent * (f.done + f.dead + f.skipped)
                        ) AS tolerated
                FROM facts AS f
                LEFT JOIN cycles AS y ON y.stage = f.stage
            ) AS f
        ),
        needs (stage, earlier) AS (
            SELECT s.name, e.stage FROM leat_stages AS s JOIN leat_edges AS e ON e.queue = s.input
            UNION
            SELECT stage, earlier FROM leat_after
        ),
        troubled (stage, cause) AS (
            SELECT n.stage, n.earlier FROM needs AS n JOIN judged AS j ON j.stage = n.earlier WHERE j.failed
            UNION
            SELECT n.stage, t.cause FROM needs AS n JOIN troubled AS t ON t.stage = n.earlier
        ),
        placed AS (
            SELECT
                j.*,
                CASE
                    WHEN j.takes_all THEN j.closed AND NOT j.ended
                    WHEN j.is_after THEN NOT EXISTS (
                        SELECT 1 FROM leat_after AS a JOIN judged AS o ON o.stage = a.earlier
                        WHERE a.stage = j.stage AND NOT o.complete
                    )
                    ELSE j.ready + j.waiting + j.leased > 0
                END AS has_work,
                (SELECT min(t.cause) FROM troubled AS t WHERE t.stage = j.stage AND t.cause <> j.stage) AS cause
            FROM judged AS j
        )
        SELECT
            stage,
            kind,
            CASE
                WHEN failed THEN 'failed'
                WHEN complete THEN iif(dead > 0, 'complete with errors', 'complete')
                WHEN cause IS NOT NULL AND NOT has_work THEN 'blocked'
                WHEN endings > 0 AND NOT ended THEN 'stale'
                WHEN NOT has_work THEN 'waiting'
                WHEN workers > 0 THEN 'running'
                ELSE 'ready'
            END AS state,
            ready,
            waiting,
            leased,
            done,
            dead,
            skipped,
            emitted,
            failures,
            refused,
            workers,
            closed,
            CASE
                WHEN trip IS NOT NULL THEN trip
                WHEN failed THEN dead || ' items are dead, more than max_dead allows'
                WHEN complete THEN NULL
                WHEN cause IS NOT NULL AND NOT has_work THEN 'stage ' || cause || ' failed'
            END AS reason
        FROM placed
        ORDER BY position
        """
}
