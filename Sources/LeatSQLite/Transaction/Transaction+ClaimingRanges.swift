internal import Leat

/// The straight path: what is handed out as a range of ids, orphans first, then from the frontier on.
extension Transaction {
    struct ClaimedRange: Sendable {
        let lo: Int64
        let hi: Int64
        /// Those of ``count`` that have been read: all or none.
        let items: [Item]
        let count: Int
        let suspect: Int
        let claims: Int
        /// It was handed back by others: there may be more after it.
        var isRest = false
        /// Where the frontier is to stand, once it is leased; `nil`: where it stands.
        var frontier: Int64?

        var isRead: Bool { items.count == count }
    }

    func claimRange(
        _ queue: QueueName, limit: Int, suspectsToo: Bool, suspectsOnly: Bool, frontier: Int64
    ) throws -> ClaimedRange? {
        let query = suspectsOnly ? Self.suspectOrphanQuery : Self.orphanQuery
        let orphan = try sql(query).first(.text(queue.rawValue), .int(suspectsToo ? 1 : 0)) { row in
            (
                id: row.int(0), lo: row.int(1), hi: row.int(2), items: Int(row.int(3)), suspect: Int(row.int(4)),
                claims: Int(row.int(5))
            )
        }
        guard let orphan else { return try claimFromFrontier(queue, limit: limit, frontier: frontier) }
        let wanted = orphan.suspect > 0 ? min(limit, orphan.suspect) : limit
        let items = try pathItems(queue, from: orphan.lo, to: orphan.hi, limit: wanted, claims: orphan.claims + 1)
        guard let last = items.last else {
            throw LeatError(.storeFailed, "Lease \(orphan.id) of queue '\(queue)' holds no item; run verify.")
        }
        // The part that is taken keeps the `done` rows between its ends: they go when the new lease ends.
        let hi: Int64
        if items.count == orphan.items {
            hi = orphan.hi
            try sql(Self.deleteLeaseQuery).run(.text(queue.rawValue), .holder(nil), .int(orphan.id))
        } else {
            hi = last.id.rawValue
            try sql(Self.shortenLeaseQuery).run(
                .text(queue.rawValue), .int(orphan.id), .int(hi + 1), .int(items.count))
        }
        return ClaimedRange(
            lo: orphan.lo, hi: hi, items: items, count: items.count, suspect: orphan.suspect,
            claims: orphan.claims + 1, isRest: true)
    }

    /// Ids are selected, never computed: there may be gaps, and ids with a row of their own.
    private func claimFromFrontier(_ queue: QueueName, limit: Int, frontier: Int64) throws -> ClaimedRange? {
        if limit >= Self.manyItems, try !hasRows(queue, from: frontier, to: .max),
            let last = try sql(Self.nthQuery, queue).first(.int(frontier), .int(limit - 1), body: { $0.int(0) }),
            last < .max
        {
            return ClaimedRange(
                lo: frontier, hi: last, items: [], count: limit, suspect: 0, claims: 1, frontier: last + 1)
        }
        let items = try pathItems(queue, from: frontier, to: .max, limit: limit, claims: 1)
        if items.last?.id.rawValue == .max {
            throw LeatError(.storeFailed, "Queue '\(queue)' has an item of the last number that there is; run verify.")
        }
        var next = items.last.map { $0.id.rawValue + 1 } ?? frontier
        if items.count < limit {
            // Whatever is past them has a row: the frontier moves past it.
            next = try sql(Self.lastIDQuery, queue).first(body: { $0.int(0) &+ 1 }) ?? next
        }
        guard next > frontier else { return nil }
        guard !items.isEmpty else {
            try sql(Self.frontierQuery).run(.text(queue.rawValue), .int(next))
            // No lease will cover the rows that were passed, so nothing keeps their `done` rows.
            try forgetDone(queue, from: frontier, to: next - 1)
            return nil
        }
        return ClaimedRange(
            lo: frontier, hi: next - 1, items: items, count: items.count, suspect: 0, claims: 1, frontier: next)
    }

    /// So many items, without a row among them, are read after the commit, while others write.
    private static let manyItems = 32

    /// The first item that is ready without a row of its own, handed back or new; not one under suspicion.
    func oldestOnPath(_ queue: QueueName, _ frontier: Int64) throws -> ItemID? {
        if let lo = try sql(Self.orphanQuery).first(.text(queue.rawValue), .int(0), body: { $0.int(1) }) {
            return ItemID(lo)
        }
        // As far as one claim passes rows: what is further on has its turn later.
        return try pathItems(queue, from: frontier, to: frontier &+ Self.passedAtOnce, limit: 1, claims: 0).first?.id
    }

    /// Moves the frontier past ids that have rows, a bounded number at a time: while there are enough rows that are ready
    /// nobody claims from it, and what is done past it could neither be forgotten nor pruned.
    func passRows(_ queue: QueueName, frontier: Int64) throws {
        let next =
            try sql(Self.pastRowsQuery, queue).first(.int(frontier), .int(Self.passedAtOnce)) { $0.int(0) } ?? frontier
        guard next > frontier else { return }
        try sql(Self.frontierQuery).run(.text(queue.rawValue), .int(next))
        try forgetDone(queue, from: frontier, to: next - 1)
    }

    /// The items of a stretch of ids that have no row of their own.
    func pathItems(_ queue: QueueName, from lo: Int64, to hi: Int64, limit: Int, claims: Int) throws -> [Item] {
        var items: [Item] = []
        items.reserveCapacity(min(limit, 4096))
        // Mostly nothing is off the path, and then nothing needs to be looked up item by item.
        let query = try hasRows(queue, from: lo, to: hi) ? Self.pathQuery : Self.clearPathQuery
        try sql(query, queue).each(.int(lo), .int(hi), .int(limit)) { items.append(Self.pathItem($0, claims: claims)) }
        return items
    }

    fileprivate static func pathItem(_ row: SQLRow, claims: Int) -> Item {
        Item(
            id: ItemID(row.int(0)), payload: row.payload(1), claims: claims, attempts: 0, generation: 0,
            createdAt: row.int(2), headers: Headers.read(row.optionalText(3)))
    }

    /// Whether anything has left the straight path of a queue: mostly nothing has, and then nothing that looks at such
    /// rows needs to be asked.
    func hasRows(_ queue: QueueName) throws -> Bool {
        if sql.rowless.contains(queue) { return false }
        if try sql(Self.hasRowsQuery, queue).first(body: { _ in true }) != nil { return true }
        sql.rowless.append(queue)
        return false
    }

    private func hasRows(_ queue: QueueName, from lo: Int64, to hi: Int64) throws -> Bool {
        guard try hasRows(queue) else { return false }
        return try sql(Self.anyRowQuery, queue).first(.int(lo), .int(hi), body: { _ in true }) ?? false
    }
}

extension Transaction {
    /// How many ids with rows one claim moves the frontier past, at most.
    private static let passedAtOnce: Int64 = 500
    // Both by rowid; it stops at the first id without a row.
    static let pastRowsQuery = Query(
        """
        SELECT coalesce(
            (
                SELECT i.id FROM q_{name} AS i
                WHERE i.id >= ?1 AND i.id < ?1 + ?2 AND NOT EXISTS (SELECT 1 FROM qs_{name} AS s WHERE s.id = i.id)
                ORDER BY i.id
                LIMIT 1
            ),
            min(?1 + ?2, (SELECT coalesce(max(id), 0) + 1 FROM q_{name}))
        )
        """)

    // leat_leases_suspects. The second value is orphanQuery's.
    static let suspectOrphanQuery = Query(
        """
        SELECT id, lo, hi, items, suspect, claims FROM leat_leases INDEXED BY leat_leases_suspects
        WHERE queue = ?1 AND worker = 0 AND suspect > 0 AND ?2 IS NOT NULL
        ORDER BY lo
        LIMIT 1
        """)

    // leat_leases_orphans, which the planner can't know to be the shorter.
    static let orphanQuery = Query(
        """
        SELECT id, lo, hi, items, suspect, claims FROM leat_leases INDEXED BY leat_leases_orphans
        WHERE queue = ?1 AND worker = 0 AND (suspect = 0 OR ?2)
        ORDER BY lo
        LIMIT 1
        """)

    // Both by rowid.
    static let pathQuery = Query(
        """
        SELECT i.id, i.payload, i.created_at, i.headers FROM q_{name} AS i
        WHERE i.id BETWEEN ?1 AND ?2 AND NOT EXISTS (SELECT 1 FROM qs_{name} AS s WHERE s.id = i.id)
        ORDER BY i.id
        LIMIT ?3
        """)

    // The same where no id has a row.
    static let clearPathQuery = Query(
        "SELECT i.id, i.payload, i.created_at, i.headers FROM q_{name} AS i WHERE i.id BETWEEN ?1 AND ?2 ORDER BY i.id LIMIT ?3"
    )
    private static let nthQuery = Query("SELECT id FROM q_{name} WHERE id >= ?1 ORDER BY id LIMIT 1 OFFSET ?2")
    private static let hasRowsQuery = Query("SELECT 1 FROM qs_{name} LIMIT 1")
    static let anyRowQuery = Query("SELECT 1 FROM qs_{name} WHERE id BETWEEN ?1 AND ?2 LIMIT 1")

    static let lastIDQuery = Query("SELECT coalesce(max(id), 0) FROM q_{name}")
    private static let frontierQuery = Query("UPDATE leat_queues SET frontier = ?2 WHERE name = ?1")
    private static let shortenLeaseQuery = Query(
        "UPDATE leat_leases SET lo = ?3, items = items - ?4 WHERE queue = ?1 AND worker = 0 AND id = ?2")
}

/// The answer to a claim, whose items may still have to be read.
///
/// They are the holder's, and what is put is never changed: so they are read when the transaction is over.
struct Claimed: Sendable {
    /// The answer, without the items that are still to be read.
    let claim: Claim
    /// Whether another claim would, or might, find something.
    let isAnyLeft: Bool
    private let unread: (range: Transaction.ClaimedRange, queue: QueueName)?

    init(_ claim: Claim, isAnyLeft: Bool = false, unread: (Transaction.ClaimedRange, QueueName)? = nil) {
        self.claim = claim
        self.isAnyLeft = isAnyLeft
        self.unread = unread
    }

    /// The answer with all its items.
    func read(on connection: Connection) throws -> Claim {
        guard let (range, queue) = unread, case .granted(let lease) = claim else { return claim }
        var items = lease.items
        let count = items.count + range.count
        items.reserveCapacity(count)
        var failure: (any Error)?
        do {
            try connection(Transaction.clearPathQuery, queue).each(
                .int(range.lo), .int(range.hi), .int(range.count)
            ) { items.append(Transaction.pathItem($0, claims: range.claims)) }
        } catch let error as SQLFailure where error.kind == .busy || error.kind == .full {
            // To claim again would leave these in the hands of one who does not know of them.
            failure = error
        }
        guard items.count == count, failure == nil else {
            throw LeatError(
                .leaseLost,
                "The items of lease \(lease.id) on queue '\(queue)' could not be read when it was granted; they are handed out again when its worker \(lease.worker) is gone.",
                cause: failure)
        }
        return .granted(
            Lease(
                id: lease.id, stage: lease.stage, worker: lease.worker, items: items, isSuspect: lease.isSuspect))
    }
}
