internal import Leat

/// How a lease ends, shrinks, or is taken away. A `done` row stays while a lease covers its id or the frontier is not
/// past it; whoever uncovers ids forgets the `done` rows among them.
extension Transaction {
    /// Everything that the lease still holds is done: nothing is written about what went the straight path.
    func end(_ lease: HeldLease) throws {
        try sql(Self.deleteLeaseQuery).run(.id(lease.id))
        guard try hasRows(lease.queue) else { return }
        var rows: [(id: Int64, generation: Int64)] = []
        try sql(Self.leasedRowsQuery, lease.queue).each(.id(lease.id)) { rows.append(($0.int(0), $0.int(1))) }
        for row in rows {
            if row.generation == 0, try !isCovered(ItemID(row.id), lease.queue) {
                try sql(Self.forgetQuery, lease.queue).run(.int(row.id))
            } else {
                try sql(Self.doneRowQuery, lease.queue).run(.int(row.id))
            }
        }
        if let lo = lease.lo, let hi = lease.hi { try forgetDone(lease.queue, from: lo, to: hi) }
    }

    /// An item of a lease that goes on without it is done.
    func writeDone(_ id: ItemID, _ row: HeldItem, _ lease: HeldLease) throws {
        if row.hasRow, row.values.generation == 0, try !isCovered(id, lease.queue) {
            try sql(Self.forgetQuery, lease.queue).run(.id(id))
        } else {
            try write(id, "done", row.values, queue: lease.queue)
        }
    }

    /// So many items have left the lease, each with a row of its own if it was in the range: raises `lo` past them.
    func shrink(_ lease: HeldLease, by count: Int) throws {
        var lo = lease.lo
        if let from = lease.lo, let hi = lease.hi {
            lo = try pathItems(lease.queue, from: from, to: hi, limit: 1, claims: 0).first?.id.rawValue
            try sql(Self.shrinkQuery).run(
                .id(lease.id), .optional(lo), .optional(lo == nil ? nil : hi), .int(lease.items - count))
            try forgetDone(lease.queue, from: from, to: lo.map { $0 - 1 } ?? hi)
        } else {
            try sql(Self.shrinkQuery).run(.id(lease.id), .null, .null, .int(lease.items - count))
        }
    }

    /// Takes a lease away: its range becomes an orphan with a new id, its rows are ready at once. Never item by item.
    ///
    /// - Parameter suspect: the largest batch in which its items may be claimed; `nil` leaves that as it was.
    func orphan(_ lease: HeldLease, suspect: Int?) throws {
        rings.work(in: lease.queue)
        try sql(Self.deleteLeaseQuery).run(.id(lease.id))
        try sql(Self.handBackQuery, lease.queue).run(.id(lease.id), .optional(suspect.map(Int64.init)))
        let items = lease.items - sql.changes
        guard let lo = lease.lo, let hi = lease.hi else { return }
        guard items > 0 else { return try forgetDone(lease.queue, from: lo, to: hi) }
        _ = try insertLease(
            lease.queue, nil, lo: lo, hi: hi, items: items, suspect: suspect ?? lease.suspect, claims: lease.claims)
    }

    /// The leases of a worker.
    func leases(of worker: WorkerID) throws -> [HeldLease] {
        var leases: [HeldLease] = []
        try sql(Self.heldByQuery).each(.id(worker)) { leases.append(try Self.lease($0)) }
        // The index has those under suspicion last.
        return leases.sorted { $0.id < $1.id }
    }

    /// The leases and orphans of a queue.
    func leases(on queue: QueueName) throws -> [HeldLease] {
        var leases: [HeldLease] = []
        try sql(Self.onQueueQuery).each(.text(queue.rawValue)) { leases.append(try Self.lease($0)) }
        return leases
    }

    /// The lease, or orphan, whose range covers an item that has no row.
    func lease(covering id: ItemID, in queue: QueueName) throws -> HeldLease? {
        try sql(Self.coveringQuery).first(.text(queue.rawValue), .id(id), body: Self.lease)
    }

    func lease(_ id: LeaseID) throws -> HeldLease? { try sql(Self.leaseQuery).first(.id(id), body: Self.lease) }

    static func lease(_ row: SQLRow) throws -> HeldLease {
        HeldLease(
            id: LeaseID(row.int(0)), queue: try QueueName(checking: row.text(1)), lo: row.optionalInt(2),
            hi: row.optionalInt(3), items: Int(row.int(4)), taken: Int(row.int(5)), suspect: Int(row.int(6)),
            claims: Int(row.int(7)), worker: row.optionalInt(8).map { WorkerID($0) })
    }

    /// Whether a lease covers the id, or the frontier is not past it: then its `done` row must stay.
    private func isCovered(_ id: ItemID, _ queue: QueueName) throws -> Bool {
        try sql(Self.coveredQuery).first(.text(queue.rawValue), .id(id)) { $0.int(0) != 0 } ?? false
    }

    /// Forgets the `done` rows of a stretch of ids that nothing covers any more.
    ///
    /// A row with a generation above 0 stays, so that its idempotency keys are never used twice.
    func forgetDone(_ queue: QueueName, from lo: Int64, to hi: Int64) throws {
        guard lo <= hi, try hasRows(queue) else { return }
        try sql(Self.forgetDoneQuery, queue).run(.int(lo), .int(hi))
    }

    private static let forgetQuery = Query("DELETE FROM qs_{name} WHERE id = ?1")
    private static let doneRowQuery = Query(
        "UPDATE qs_{name} SET state = 'done', lease = NULL, suspect = 0, reason = NULL WHERE id = ?1")
    static let forgetDoneQuery = Query(
        "DELETE FROM qs_{name} WHERE id BETWEEN ?1 AND ?2 AND state = 'done' AND generation = 0")
    private static let shrinkQuery = Query("UPDATE leat_leases SET lo = ?2, hi = ?3, items = ?4 WHERE id = ?1")

    // qs_…_leased
    private static let handBackQuery = Query(
        """
        UPDATE qs_{name} SET state = 'ready', lease = NULL, suspect = coalesce(?2, suspect)
        WHERE state = 'leased' AND lease = ?1
        """)

    // leat_leases_range
    static let coveredQuery = Query(
        """
        SELECT
            ?2 >= (SELECT frontier FROM leat_queues WHERE name = ?1)
            OR EXISTS (SELECT 1 FROM leat_leases WHERE queue = ?1 AND lo <= ?2 AND hi >= ?2)
        """)
    static let coveringQuery = Query(
        """
        SELECT id, queue, lo, hi, items, taken, suspect, claims, worker FROM leat_leases
        WHERE queue = ?1 AND lo <= ?2 AND hi >= ?2
        """)

    // leat_leases_worker
    static let heldByQuery = Query(
        "SELECT id, queue, lo, hi, items, taken, suspect, claims, worker FROM leat_leases WHERE worker = ?1"
    )
    private static let onQueueQuery = Query(
        "SELECT id, queue, lo, hi, items, taken, suspect, claims, worker FROM leat_leases WHERE queue = ?1")
    private static let leaseQuery = Query(
        "SELECT id, queue, lo, hi, items, taken, suspect, claims, worker FROM leat_leases WHERE id = ?1")
}
