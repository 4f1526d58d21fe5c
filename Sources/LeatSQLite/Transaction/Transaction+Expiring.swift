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
        try sql(Self.renewQuery).run(
            .text(queue.rawValue), .id(lease.worker), .id(lease.id), .int(expiry(after: duration)), .text(time.bootID))
    }

    /// Makes ready again what was held for too long. Nobody is suspected: a stopped process is no culprit. Whose process
    /// is dead is left to those who find it dead (`reap`), which look first.
    func handBackExpired(_ queue: QueueName) throws {
        let expired = try expiredLeases(of: queue)
        guard !expired.isEmpty else { return }
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
    }

    private func expiredLeases(of queue: QueueName) throws -> [HeldLease] {
        var leases: [HeldLease] = []
        try sql(Self.expiredQuery).each(
            .text(queue.rawValue), .text(time.bootID), .int(time.instant), .int(now)
        ) { leases.append(try Self.lease($0)) }
        return leases
    }

    /// When the next lease ends by itself, in milliseconds of the wall clock.
    func nextExpiry(_ queue: QueueName) throws -> Int64? {
        try sql(Self.nextExpiryQuery).first(
            .text(queue.rawValue), .int(time.instant), .int(now), .text(time.bootID)
        ) { $0.optionalInt(0) } ?? nil
    }

    // leat_leases_expiring, a stretch of it for each clock: by a clock of another boot all has ended.
    static let expiredQuery = Query(
        [
            "clock = ?2 AND expires_at <= ?3",
            "clock = 'wall' AND expires_at <= ?4",
            "clock < min(?2, 'wall')",
            "clock > min(?2, 'wall') AND clock < max(?2, 'wall')",
            "clock > max(?2, 'wall')",
        ].map { ended in
            """
            SELECT id, queue, lo, hi, items, taken, suspect, claims, worker
            FROM leat_leases INDEXED BY leat_leases_expiring
            WHERE queue = ?1 AND expires_at IS NOT NULL AND \(ended)
            """
        }.joined(separator: "\nUNION ALL\n"))
    static let nextExpiryQuery = Query(
        """
        SELECT min(ends) FROM (
            SELECT min(expires_at) AS ends FROM leat_leases INDEXED BY leat_leases_expiring
            WHERE queue = ?1 AND expires_at IS NOT NULL AND clock = 'wall'
            UNION ALL
            SELECT ?3 + (min(expires_at) - ?2 + 999999) / 1000000 FROM leat_leases INDEXED BY leat_leases_expiring
            WHERE queue = ?1 AND expires_at IS NOT NULL AND clock = ?4
        )
        """)
    private static let renewQuery = Query(
        "UPDATE leat_leases SET expires_at = ?4, clock = ?5 WHERE queue = ?1 AND worker = ?2 AND id = ?3")
}
