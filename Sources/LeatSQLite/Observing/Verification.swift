internal import GRDB
public import Leat

/// The proof that nothing is lost: rows are counted and held against the counts that were kept apart from them.
extension SQLiteStore {
    /// Every figure that should be equal and is not; empty when the books balance.
    ///
    /// Cost: one snapshot, and a pass over every queue (half a second a million items).
    public func verify() async throws -> [Discrepancy] {
        return try await observe { [self] database in
            let plan = try knownPlan(database)
            var found: [Discrepancy] = []
            for queue in plan.queues {
                try found += Self.verify(queue, plan, database)
            }
            for stage in plan.stages {
                for queue in stage.outputs { try found += Self.verifyEdge(stage.name, queue, database) }
            }
            try database.each("PRAGMA quick_check(10)") { row in
                if row.text(0) != "ok" { found.append(Discrepancy("the file", expected: "ok", found: row.text(0))) }
            }
            return found
        }
    }

    private static func verify(_ queue: QueueName, _ plan: Plan, _ database: Connection) throws -> [Discrepancy] {
        var found: [Discrepancy] = []
        func compare(_ what: String, _ expectedSQL: String, _ foundSQL: String) throws {
            let expected = try database.number(expectedSQL)
            let actual = try database.number(foundSQL)
            if expected != actual {
                found.append(
                    Discrepancy("\(what) of queue \(queue)", expected: String(expected), found: String(actual)))
            }
        }
        func none(_ what: String, _ sql: String) throws {
            let count = try database.number(sql)
            if count != 0 {
                found.append(Discrepancy("\(what) of queue \(queue)", expected: "0", found: String(count)))
            }
        }
        let consumer = plan.consumer(of: queue)?.name.rawValue ?? ""
        try compare(
            "done items", "SELECT acknowledged - reopened - pruned FROM leat_counts WHERE stage = '\(consumer)'",
            "SELECT count(*) FROM items_\(queue) WHERE state = 'done'")
        // What waits may come due between two statements: it is counted together with what is ready.
        try compare(
            "ready and waiting items", "SELECT ready + waiting FROM leat_queue_status WHERE queue = '\(queue)'",
            "SELECT count(*) FROM items_\(queue) WHERE state IN ('ready', 'waiting')")
        for state in ["leased", "dead", "skipped"] {
            try compare(
                "\(state) items", "SELECT \(state) FROM leat_queue_status WHERE queue = '\(queue)'",
                "SELECT count(*) FROM items_\(queue) WHERE state = '\(state)'")
        }
        try none(
            "state rows without an item", "SELECT count(*) FROM qs_\(queue) WHERE id NOT IN (SELECT id FROM q_\(queue))"
        )
        try none(
            "leased rows without their lease",
            """
            SELECT count(*) FROM qs_\(queue)
            WHERE state = 'leased' AND lease NOT IN (SELECT id FROM leat_leases WHERE queue = '\(queue)')
            """)
        try none(
            "overlapping lease ranges",
            """
            SELECT count(*) FROM leat_leases AS a JOIN leat_leases AS b
            WHERE a.queue = '\(queue)' AND b.queue = a.queue AND a.id < b.id AND a.lo <= b.hi AND b.lo <= a.hi
            """)
        try none(
            "lease ranges at or past the frontier",
            """
            SELECT count(*) FROM leat_leases
            WHERE queue = '\(queue)' AND hi >= (SELECT frontier FROM leat_queues WHERE name = '\(queue)')
            """)
        try none(
            "leases that end before their queue knows",
            """
            SELECT count(*) FROM leat_leases AS l JOIN leat_queues AS q ON q.name = l.queue
            WHERE q.name = '\(queue)' AND l.clock <> 'wall'
                AND (q.ends_at IS NULL OR (q.ends_boot = l.clock AND l.expires_at < q.ends_at))
            """)
        try none(
            "leases of workers that have ended",
            """
            SELECT count(*) FROM leat_leases AS l JOIN leat_workers AS w ON w.id = l.worker
            WHERE l.queue = '\(queue)' AND w.ended_at IS NOT NULL
            """)
        try none(
            "leases with another number of items than they say",
            """
            SELECT count(*) FROM leat_leases AS l
            WHERE l.queue = '\(queue)' AND l.items <> (
                    SELECT count(*) FROM q_\(queue) AS i
                    WHERE i.id BETWEEN l.lo AND l.hi AND NOT EXISTS (SELECT 1 FROM qs_\(queue) AS s WHERE s.id = i.id)
                ) + (SELECT count(*) FROM qs_\(queue) AS s WHERE s.state = 'leased' AND s.lease = l.id)
            """)
        try none(
            "groups with more or fewer items than one that is not behind another",
            """
            SELECT count(*) FROM (
                SELECT 1 FROM qs_\(queue) WHERE group_id IS NOT NULL GROUP BY group_id
                HAVING sum(state <> 'waiting' OR visible_at IS NOT NULL) <> 1
            )
            """)
        try none(
            "items of a group without a place in it",
            """
            SELECT count(*) FROM items_\(queue) AS i LEFT JOIN qs_\(queue) AS s ON s.id = i.id
            WHERE i.group_id IS NOT NULL AND i.state IN ('ready', 'waiting', 'leased') AND s.group_id IS NOT i.group_id
            """)
        // A row that tells `done` where nothing else could be meant has been forgotten to be forgotten.
        try none(
            "done rows that nothing covers",
            """
            SELECT count(*) FROM qs_\(queue) AS s
            WHERE s.state = 'done' AND s.generation = 0
                AND s.id < (SELECT frontier FROM leat_queues WHERE name = '\(queue)')
                AND NOT EXISTS (
                    SELECT 1 FROM leat_leases AS l
                    WHERE l.queue = '\(queue)' AND l.hi > l.lo AND s.id BETWEEN l.lo AND l.hi
                )
            """)
        try compare(
            "closing trigger",
            "SELECT \(Transaction.isClosedExpression) FROM leat_queues AS q WHERE q.name = '\(queue)'",
            "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name = 'leat_closed_\(queue)'")
        return found
    }

    private static func verifyEdge(
        _ stage: StageName, _ queue: QueueName, _ database: Connection
    ) throws -> [Discrepancy] {
        let expected = try database.number(
            "SELECT inserted - pruned FROM leat_edges WHERE stage = '\(stage)' AND queue = '\(queue)'")
        let found = try database.number("SELECT count(*) FROM q_\(queue) WHERE origin = '\(stage)'")
        guard expected != found else { return [] }
        return [
            Discrepancy("items that \(stage) put into queue \(queue)", expected: String(expected), found: String(found))
        ]
    }
}
