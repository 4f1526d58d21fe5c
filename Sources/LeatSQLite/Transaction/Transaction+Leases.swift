internal import Leat

/// How a lease ends, shrinks, or is taken away. A `done` row stays while a lease covers its id or the frontier is not
/// past it; whoever uncovers ids forgets the `done` rows among them.
extension Transaction {
    /// Everything that the lease still holds is done: nothing is written about what went the straight path.
    func end(_ lease: HeldLease) throws {
        try delete(lease)
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
                .text(lease.queue.rawValue), .holder(lease.worker), .id(lease.id), .optional(lo),
                .optional(lo == nil ? nil : hi), .int(lease.items - count))
            try forgetDone(lease.queue, from: from, to: lo.map { $0 - 1 } ?? hi)
        } else {
            try sql(Self.shrinkQuery).run(
                .text(lease.queue.rawValue), .holder(lease.worker), .id(lease.id), .null, .null,
                .int(lease.items - count))
        }
    }

    /// Takes a lease away: its range becomes an orphan with a new id, its rows are ready at once. Never item by item.
    ///
    /// - Parameter suspect: the largest batch in which its items may be claimed; `nil` leaves that as it was.
    func orphan(_ lease: HeldLease, suspect: Int?) throws {
        rings.work(in: lease.queue)
        try delete(lease)
        try sql(Self.handBackQuery, lease.queue).run(.id(lease.id), .optional(suspect.map(Int64.init)))
        let items = lease.items - sql.changes
        guard let lo = lease.lo, let hi = lease.hi else { return }
        guard items > 0 else { return try forgetDone(lease.queue, from: lo, to: hi) }
        _ = try insertLease(
            lease.queue, nil, lo: lo, hi: hi, items: items, suspect: suspect ?? lease.suspect, claims: lease.claims)
    }

    /// The same of several, those of one worker or those that are over: ranges that follow one another become one orphan.
    ///
    /// - Parameter suspect: of each, as of ``orphan(_:suspect:)``.
    func orphan(_ leases: [HeldLease], suspect: (HeldLease) -> Int?) throws {
        var range: (queue: QueueName, lo: Int64, hi: Int64, items: Int, suspect: Int, claims: Int)?
        func write() throws {
            guard let last = range else { return }
            range = nil
            _ = try insertLease(
                last.queue, nil, lo: last.lo, hi: last.hi, items: last.items, suspect: last.suspect, claims: last.claims
            )
        }
        for lease in leases.sorted(by: { ($0.lo ?? 0) < ($1.lo ?? 0) }) {
            guard let lo = lease.lo, let hi = lease.hi, try !hasRows(lease.queue) else {
                try orphan(lease, suspect: suspect(lease))
                continue
            }
            rings.work(in: lease.queue)
            try delete(lease)
            let wanted = suspect(lease) ?? lease.suspect
            if let last = range, last.queue == lease.queue, last.hi + 1 == lo, last.suspect == wanted,
                last.claims == lease.claims
            {
                // Anybody may have written any number: the table refuses one that has overflowed.
                range = (last.queue, last.lo, hi, last.items &+ lease.items, wanted, last.claims)
            } else {
                try write()
                range = (lease.queue, lo, hi, lease.items, wanted, lease.claims)
            }
        }
        try write()
    }

    private func delete(_ lease: HeldLease) throws {
        try sql(Self.deleteLeaseQuery).run(.text(lease.queue.rawValue), .holder(lease.worker), .id(lease.id))
    }

    /// The leases of a worker of the stage that takes from a queue, in their order.
    func leases(of worker: WorkerID, on queue: QueueName) throws -> [HeldLease] {
        var leases: [HeldLease] = []
        try sql(Self.heldByQuery).each(.text(queue.rawValue), .id(worker)) { leases.append(try Self.lease($0)) }
        return leases
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

    /// The lease or orphan of that number.
    func lease(_ id: LeaseID, on queue: QueueName) throws -> HeldLease? {
        try sql(Self.leaseQuery).first(.text(queue.rawValue), .id(id), body: Self.lease)
    }

    static func lease(_ row: SQLRow) throws -> HeldLease {
        HeldLease(
            id: LeaseID(row.int(0)), queue: try QueueName(checking: row.text(1)), lo: row.optionalInt(2),
            hi: row.optionalInt(3), items: Int(row.int(4)), taken: Int(row.int(5)), suspect: Int(row.int(6)),
            claims: Int(row.int(7)), worker: row.int(8) == 0 ? nil : WorkerID(row.int(8)))
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
    private static let shrinkQuery = Query(
        "UPDATE leat_leases SET lo = ?4, hi = ?5, items = ?6 WHERE queue = ?1 AND worker = ?2 AND id = ?3")

    // qs_…_leased
    private static let handBackQuery = Query(
        """
        UPDATE qs_{name} SET state = 'ready', lease = NULL, suspect = coalesce(?2, suspect)
        WHERE state = 'leased' AND lease = ?1
        """)

    // leat_leases_wide. A lease of a single item covers that alone, which has no row.
    static let coveredQuery = Query(
        """
        SELECT
            ?2 >= (SELECT frontier FROM leat_queues WHERE name = ?1)
            OR EXISTS (
                SELECT 1 FROM leat_leases INDEXED BY leat_leases_wide
                WHERE queue = ?1 AND hi > lo AND lo <= ?2 AND hi >= ?2
            )
        """)
    static let coveringQuery = Query(
        """
        SELECT id, queue, lo, hi, items, taken, suspect, claims, worker FROM leat_leases
        WHERE queue = ?1 AND lo <= ?2 AND hi >= ?2
        """)

    // The key of leat_leases
    static let heldByQuery = Query(
        """
        SELECT id, queue, lo, hi, items, taken, suspect, claims, worker FROM leat_leases
        WHERE queue = ?1 AND worker = ?2
        ORDER BY id
        """)
    private static let onQueueQuery = Query(
        "SELECT id, queue, lo, hi, items, taken, suspect, claims, worker FROM leat_leases WHERE queue = ?1")
    private static let leaseQuery = Query(
        """
        SELECT id, queue, lo, hi, items, taken, suspect, claims, worker FROM leat_leases
        WHERE queue = ?1 AND id = ?2
        """)
}
