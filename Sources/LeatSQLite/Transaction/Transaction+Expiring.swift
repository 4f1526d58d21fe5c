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
        try sql(Self.renewQuery).run(.id(lease.id), .int(expiry(after: duration)), .text(time.bootID))
    }

    /// Makes ready again what was held for too long. Nobody is suspected: a stopped process is no culprit. Whose process
    /// is dead is left to those who find it dead (`reap`), which look first.
    func handBackExpired(_ queue: QueueName) throws {
        let expired = try expiredLeases(of: queue)
        guard !expired.isEmpty else { return }
        let run = try runID()
        for lease in expired {
            if let worker = lease.worker, try store.isGone(worker, in: run) { continue }
            try orphan(lease, suspect: nil)
        }
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
        try sql(Self.nextExpiryQuery).first(.text(queue.rawValue), .int(time.instant), .int(now)) {
            $0.optionalInt(0)
        } ?? nil
    }

    // leat_leases_expiring
    static let expiredQuery = Query(
        """
        SELECT id, queue, lo, hi, items, taken, suspect, claims, worker FROM leat_leases
        WHERE queue = ?1 AND expires_at IS NOT NULL
            AND CASE clock WHEN 'wall' THEN expires_at <= ?4 WHEN ?2 THEN expires_at <= ?3 ELSE 1 END
        """)
    static let nextExpiryQuery = Query(
        """
        SELECT min(CASE clock WHEN 'wall' THEN expires_at ELSE ?3 + (expires_at - ?2 + 999999) / 1000000 END)
        FROM leat_leases
        WHERE queue = ?1 AND expires_at IS NOT NULL
        """)
    private static let renewQuery = Query("UPDATE leat_leases SET expires_at = ?2, clock = ?3 WHERE id = ?1")
}
