internal import Leat

/// Removing what is done and not to be kept. Counts stay, so that `verify` still balances.
extension Transaction {
    /// - Returns: how many items were removed from a stage's input.
    func prune(_ stage: StageSpec, upTo limit: Int) throws -> Int {
        guard let queue = stage.input, let cutoff = stage.policy.keep.cutoff(at: now) else { return 0 }
        var origins: [(stage: String?, count: Int)] = []
        try sql(Self.originsQuery, queue).each(.text(queue.rawValue), .int(limit), .int(cutoff)) {
            origins.append(($0.optionalText(0), Int($0.int(1))))
        }
        guard !origins.isEmpty else { return 0 }
        try sql(Self.pruneQuery, queue).run(.text(queue.rawValue), .int(limit), .int(cutoff))
        let count = sql.changes
        for origin in origins {
            guard let name = origin.stage else { continue }
            try sql(Self.edgeQuery).run(.text(name), .text(queue.rawValue), .int(origin.count))
        }
        try sql(Self.countedQuery).run(.text(stage.name.rawValue), .int(count))
        return count
    }

    /// Forgets those who claimed from queues on their own: each run of a command is one.
    func forgetClaimers(endedBefore time: Int64) throws {
        try sql(Self.forgetClaimersQuery).run(.int(time))
    }

    // leat_workers_ended
    static let oldClaimers = """
        SELECT id FROM leat_workers
        WHERE ended_at < ?1 AND stage IN (SELECT name FROM leat_stages WHERE kind = 'queue')
        """
    private static let forgetClaimersQuery = Query("DELETE FROM leat_workers WHERE id IN (\(oldClaimers))")

    /// Below the frontier and every lease, an item without a row is done. The oldest are looked at, and those of them
    /// that are old enough are chosen: looking for more would pass over all that is to be kept.
    private static let chosen = """
        SELECT id FROM (
            SELECT i.id AS id, i.created_at AS created_at FROM q_{name} AS i
            WHERE i.id < (
                    SELECT min(q.frontier, coalesce((SELECT min(lo) FROM leat_leases WHERE queue = q.name), q.frontier))
                    FROM leat_queues AS q WHERE q.name = ?1
                )
                AND NOT EXISTS (SELECT 1 FROM qs_{name} AS s WHERE s.id = i.id)
            ORDER BY i.id
            LIMIT ?2
        ) WHERE created_at <= ?3
        """
    static let originsQuery = Query("SELECT origin, count(*) FROM q_{name} WHERE id IN (\(chosen)) GROUP BY origin")
    static let pruneQuery = Query("DELETE FROM q_{name} WHERE id IN (\(chosen))")
    private static let edgeQuery = Query(
        "UPDATE leat_edges SET pruned = pruned + ?3 WHERE stage = ?1 AND queue = ?2")
    private static let countedQuery = Query("UPDATE leat_counts SET pruned = pruned + ?2 WHERE stage = ?1")
}
