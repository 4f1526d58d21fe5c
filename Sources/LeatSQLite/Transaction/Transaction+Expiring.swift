internal import Leat

/// Leases that have a time of their own: those on queues on their own.
extension Transaction {
    /// Until when a lease lasts that begins now, by the clock that cannot jump.
    func expiry(after duration: Duration) -> Int64 { time.instant + duration.nanoseconds }

    /// Lets a lease last so long from now on. The fence comes first: a late wish changes nothing.
    func renew(_ lease: Lease, for duration: Duration) throws {
        let (stage, queue) = try stageAndInput(lease.stage)
        guard stage.kind == .queue else {
            throw LeatError(
                .refused,
                "Lease \(lease.id) of stage '\(stage.name)' lives as long as its worker; there is no time to renew.")
        }
        _ = try fence(lease.id, lease.worker, queue)
        let end = expiry(after: duration)
        try sql(Self.renewQuery).run(
            .text(queue.rawValue), .id(lease.worker), .id(lease.id), .int(end), .text(time.bootID))
        try noteEnd(end, on: queue)
    }

    /// Makes ready again what was held for too long. Nobody is suspected: a stopped process is no culprit. Whose process
    /// is dead is left to those who find it dead (`reap`), which look first.
    func handBackExpired(_ queue: QueueName) throws {
        let over = try sql(Self.isAnyOverQuery).first(
            .text(queue.rawValue), .text(time.bootID), .int(time.instant), .int(now)
        ) { (byBoot: $0.int(0) > 0, byWall: $0.int(1) > 0, end: $0.optionalInt(2), boot: $0.optionalText(3)) }
        guard let over, over.byBoot || over.byWall else { return }
        let expired = try expiredLeases(of: queue)
        let run = try runID()
        var gone: [WorkerID: Bool] = [:]
        try orphan(
            expired.filter { lease in
                guard let worker = lease.worker else { return true }
                let isGone = try gone[worker] ?? store.isGone(worker, in: run)
                gone[worker] = isGone
                return !isGone
            }
        ) { _ in nil }
        if over.byBoot { try findEnd(queue, after: over.end, over.boot) }
    }

    private func expiredLeases(of queue: QueueName) throws -> [HeldLease] {
        var leases: [HeldLease] = []
        try sql(Self.expiredQuery).each(
            .text(queue.rawValue), .text(time.bootID), .int(time.instant), .int(now)
        ) { leases.append(try Self.lease($0)) }
        return leases
    }

    /// Writes down when the first of the leases on a queue will end: they were only known to end no earlier.
    ///
    /// Nothing is written where that is known, as of a lease whose worker is dead and not found yet: whoever waits for it
    /// looks often.
    private func findEnd(_ queue: QueueName, after known: Int64?, _ boot: String?) throws {
        let end =
            try sql(Self.firstEndQuery).first(.text(queue.rawValue), .text(time.bootID)) { $0.optionalInt(0) } ?? nil
        guard end != known || boot != time.bootID else { return }
        try sql(Self.endQuery).run(
            .text(queue.rawValue), .optional(end), .optional(end == nil ? nil : time.bootID))
    }

    /// A lease on the queue ends then, by the clock of this boot.
    func noteEnd(_ expiresAt: Int64, on queue: QueueName) throws {
        try sql(Self.noteEndQuery).run(.text(queue.rawValue), .int(expiresAt), .text(time.bootID))
    }

    /// When the next lease ends by itself, in milliseconds of the wall clock, or earlier.
    func nextExpiry(_ queue: QueueName) throws -> Int64? {
        try sql(Self.nextExpiryQuery).first(
            .text(queue.rawValue), .int(time.instant), .int(now), .text(time.bootID)
        ) { $0.optionalInt(0) } ?? nil
    }

    /// Of a queue: by a clock of another boot all has ended.
    static let isOver = "ends_boot <> ?2 OR ends_at <= ?3"
    // leat_leases_wall
    static let isAnyOverQuery = Query(
        """
        SELECT
            coalesce(\(isOver), 0),
            EXISTS (
                SELECT 1 FROM leat_leases INDEXED BY leat_leases_wall
                WHERE queue = ?1 AND clock = 'wall' AND expires_at <= ?4
            ),
            ends_at,
            ends_boot
        FROM leat_queues WHERE name = ?1
        """)
    // The key of leat_leases, over all those of the queue; only when one of them may be over
    private static let expiredQuery = Query(
        """
        SELECT id, queue, lo, hi, items, taken, suspect, claims, worker FROM leat_leases
        WHERE queue = ?1 AND expires_at IS NOT NULL
            AND CASE clock WHEN 'wall' THEN expires_at <= ?4 WHEN ?2 THEN expires_at <= ?3 ELSE 1 END
        """)
    // One of another boot has ended: 0.
    private static let firstEndQuery = Query(
        """
        SELECT min(CASE clock WHEN ?2 THEN expires_at ELSE 0 END) FROM leat_leases
        WHERE queue = ?1 AND expires_at IS NOT NULL AND clock <> 'wall'
        """)
    private static let endQuery = Query("UPDATE leat_queues SET ends_at = ?2, ends_boot = ?3 WHERE name = ?1")
    private static let noteEndQuery = Query(
        """
        UPDATE leat_queues SET ends_at = CASE WHEN ends_at <= ?2 THEN ends_at ELSE ?2 END, ends_boot = ?3
        WHERE name = ?1 AND (ends_boot IS NOT ?3 OR ends_at > ?2)
        """)
    static let nextExpiryQuery = Query(
        """
        SELECT min(ends) FROM (
            SELECT min(expires_at) AS ends FROM leat_leases INDEXED BY leat_leases_wall
            WHERE queue = ?1 AND clock = 'wall'
            UNION ALL
            SELECT ?3 + (ends_at - ?2 + 999999) / 1000000 FROM leat_queues
            WHERE name = ?1 AND ends_boot = ?4 AND EXISTS (SELECT 1 FROM leat_leases WHERE queue = ?1 AND worker > 0)
        )
        """)
    private static let renewQuery = Query(
        "UPDATE leat_leases SET expires_at = ?4, clock = ?5 WHERE queue = ?1 AND worker = ?2 AND id = ?3")
}
