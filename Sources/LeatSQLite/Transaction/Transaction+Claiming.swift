internal import Leat

/// Claiming: rows that are ready off the straight path, then one range. One lease row and one update, whatever the
/// batch, so the cost does not depend on what is done or waiting.
extension Transaction {
    func claim(_ request: ClaimRequest) throws -> Claimed {
        let (stage, queue) = try stageAndInput(request.stage)
        if let problem = request.problem(for: stage) { throw problem }
        if stage.kind == .queue { try handBackExpired(queue) }
        let gate = try gate(request.worker, stage.name, queue)
        if let trip = gate.trip { return Claimed(.refused(reason: trip)) }
        // A suspect's worker holds nothing else: only so can a death be laid to its charge.
        let isIntended = request.holding == .isIntended
        if gate.holdsSuspect {
            if isIntended { return Claimed(.settleFirst) }
            return Claimed(stage.kind == .queue ? try nothing(stage, request, holdsLease: true) : .nothing(until: nil))
        }
        try admitDue(queue)

        if let full = try fullOutput(of: stage) {
            return Claimed(try isSettled(stage, queue) ? .finished : .full(full))
        }
        if let shortage = store.lackOfRoom {
            if try isSettled(stage, queue) { return Claimed(.finished) }
            // Who holds something goes on with that, and asks again; who does not has nothing better to do than wait.
            guard gate.holdsLease else { throw shortage }
            // A window would wait for items that nobody is given, and what it holds is what the room is kept for.
            return Claimed(isIntended ? .settleFirst : .nothing(until: now + 1000))
        }
        let (allowed, wait) = try allowance(of: stage)
        guard allowed > 0 else {
            return Claimed(try isSettled(stage, queue) ? .finished : .nothing(until: now + wait.milliseconds + 1))
        }
        let limit = min(request.limit, allowed)

        // Who takes from a queue on its own, or works on a window, may hold something at all times: it gets nothing new
        // when a suspect is next, so that the suspect's turn comes.
        let mayHold = stage.kind == .queue || isIntended
        // Who works on windows may leave unsuspected items for ever: suspects come first there, when nothing is held.
        let suspectsOnly = try isIntended && !gate.holdsLease && hasSuspect(queue)
        var items = try readyRows(
            queue, limit: limit, suspectsToo: mayHold || !gate.holdsLease, suspectsOnly: suspectsOnly)
        if mayHold, gate.holdsLease, try isSuspectNext(items, queue) {
            return Claimed(isIntended ? .settleFirst : try nothing(stage, request, holdsLease: true))
        }
        var suspect = items.first?.suspect ?? 0
        var isCut = false
        if suspect > 0 {
            // Suspects only, and no more of them than the smallest batch that one of them may be in.
            var count = 0
            for row in items {
                guard row.suspect > 0, count < min(suspect, row.suspect) else { break }
                suspect = min(suspect, row.suspect)
                count += 1
            }
            items.removeSubrange(count...)
        } else if let firstSuspect = items.firstIndex(where: { $0.suspect > 0 }) {
            items.removeSubrange(firstSuspect...)
            isCut = true
        }
        var range: ClaimedRange?
        // Rows alone would fill every claim as long as there are enough: what is on the straight path has its turn by age.
        if suspect == 0, !isCut, items.count >= limit, let oldest = try oldestOnPath(queue, gate.frontier) {
            items = Array(items.prefix { $0.priority > 0 || $0.item.id < oldest })
        }
        if suspect == 0, !isCut, items.count < limit {
            range = try claimRange(
                queue, limit: limit - items.count, suspectsToo: items.isEmpty && !gate.holdsLease,
                suspectsOnly: suspectsOnly,
                frontier: gate.frontier)
            suspect = range?.suspect ?? 0
        }
        if range == nil, items.count >= limit { try passRows(queue, frontier: gate.frontier) }
        let count = items.count + (range?.count ?? 0)
        guard count > 0 else { return Claimed(try nothing(stage, request, holdsLease: gate.holdsLease)) }

        let lease = try insertLease(
            queue, request.worker, range: range, items: count, suspect: suspect,
            expiresAt: request.duration.map(expiry))
        for row in items { try sql(Self.leaseRowQuery, queue).run(.id(row.item.id), .id(lease)) }
        try spend(count, of: stage)
        if !stage.policy.countsHeld { try tellRoom(in: queue, of: stage) }
        let isMore =
            if suspect > 0 || isCut || range?.isRest == true { true } else if count == request.limit {
                try isAnyLeft(queue, after: range?.hi ?? gate.frontier - 1)
            } else { false }
        if isMore { rings.work(in: queue) }
        let granted = Lease(
            id: lease, stage: stage.name, worker: request.worker,
            items: items.map(\.item) + (range?.items ?? []), isSuspect: suspect > 0)
        return Claimed(
            .granted(granted), isAnyLeft: isMore, unread: range?.isRead == false ? range.map { ($0, queue) } : nil)
    }

    /// Whether another one would find something: who is woken in vain takes the write lock for nothing.
    private func isAnyLeft(_ queue: QueueName, after last: Int64) throws -> Bool {
        if try sql(Self.lastIDQuery, queue).first(body: { $0.int(0) }) ?? 0 > last { return true }
        if try sql(Self.orphanQuery).first(.text(queue.rawValue), .int(1), body: { _ in true }) != nil { return true }
        return try hasRows(queue) && sql(Self.anyReadyQuery, queue).first(body: { _ in true }) != nil
    }

    /// What decides, before any item is looked at, whether this worker may claim.
    struct Gate {
        let trip: String?
        let holdsLease: Bool
        let holdsSuspect: Bool
        let frontier: Int64
    }

    func gate(_ worker: WorkerID, _ stage: StageName, _ queue: QueueName) throws -> Gate {
        let gate = try sql(Self.gateQuery).first(.id(worker), .text(stage.rawValue), .text(queue.rawValue)) { row in
            Gate(
                trip: row.optionalText(0), holdsLease: row.int(1) > 0, holdsSuspect: row.int(2) > 0,
                frontier: row.int(3))
        }
        guard let gate else {
            throw LeatError(
                .leaseLost, "Worker \(worker) of stage '\(stage)' is not live any more, so it can't claim; enroll anew."
            )
        }
        return gate
    }

    /// Moves what has come due to the ready rows, a bounded number at a time.
    func admitDue(_ queue: QueueName) throws {
        guard try hasRows(queue), try sql(Self.isDueQuery, queue).first(.int(now), body: { _ in true }) != nil else {
            return
        }
        try sql(Self.admitQuery, queue).run(.int(now))
    }

    struct ReadyRow {
        let item: Item
        let suspect: Int
        let priority: Int
    }

    private func readyRows(
        _ queue: QueueName, limit: Int, suspectsToo: Bool, suspectsOnly: Bool
    ) throws -> [ReadyRow] {
        guard try hasRows(queue) else { return [] }
        var rows: [ReadyRow] = []
        let query = suspectsOnly ? Self.readySuspectsQuery : Self.readyQuery
        try sql(query, queue).each(.int(limit), .int(suspectsToo ? 1 : 0)) { row in
            rows.append(
                ReadyRow(
                    item: Self.readyItem(row),
                    suspect: Int(row.int(5)), priority: Int(row.int(8))))
        }
        return rows
    }

    /// An item that has a row, as ``readyQuery`` gives it.
    static func readyItem(_ row: SQLRow) -> Item {
        Item(
            id: ItemID(row.int(0)), payload: row.payload(1), claims: Int(row.int(2)) + 1, attempts: Int(row.int(3)),
            generation: Int(row.int(4)), createdAt: row.int(6), headers: Headers.read(row.optionalText(7)))
    }

    func insertLease(
        _ queue: QueueName, _ worker: WorkerID?, range: ClaimedRange?, items: Int, suspect: Int, expiresAt: Int64?
    ) throws -> LeaseID {
        try insertLease(
            queue, worker, lo: range?.lo, hi: range?.hi, items: items, suspect: suspect, claims: range?.claims ?? 0,
            frontier: range?.frontier, expiresAt: expiresAt)
    }

    func insertLease(
        _ queue: QueueName, _ worker: WorkerID?, lo: Int64?, hi: Int64?, items: Int, suspect: Int, claims: Int,
        frontier: Int64? = nil, expiresAt: Int64? = nil
    ) throws -> LeaseID {
        guard
            let number = try sql(Self.numberLeaseQuery).first(
                .text(queue.rawValue), .optional(frontier), .optional(expiresAt), .text(time.bootID),
                body: { $0.int(0) })
        else {
            throw LeatError(.storeFailed, "Queue '\(queue)' has no row in leat_queues; run verify.")
        }
        try sql(Self.insertLeaseQuery).run(
            .text(queue.rawValue), .holder(worker), .int(number), .optional(lo), .optional(hi), .int(items),
            .int(suspect), .int(claims), .int(now), .optional(expiresAt),
            .optional(expiresAt == nil ? nil : time.bootID))
        return LeaseID(number)
    }

    private func hasSuspect(_ queue: QueueName) throws -> Bool {
        if try hasRows(queue),
            try sql(Self.readySuspectsQuery, queue).first(.int(1), .int(1), body: { _ in true }) != nil
        {
            return true
        }
        return try sql(Self.suspectOrphanQuery).first(.text(queue.rawValue), .int(1), body: { _ in true }) != nil
    }

    /// Whether what would be handed out next, after the rows that were found, is under suspicion.
    private func isSuspectNext(_ rows: [ReadyRow], _ queue: QueueName) throws -> Bool {
        if let first = rows.first { return first.suspect > 0 }
        return try sql(Self.orphanQuery).first(.text(queue.rawValue), .int(1)) { $0.int(4) > 0 } ?? false
    }

    private func nothing(_ stage: StageSpec, _ request: ClaimRequest, holdsLease: Bool) throws -> Claim {
        guard let queue = stage.input else { return .nothing(until: nil) }
        let mayHold = stage.kind == .queue || request.holding == .isIntended
        // Of those who each hold a part nobody can wait for the others: what is handed back later is claimed again.
        if mayHold, holdsLease, try isClosed(queue), try isHandedOut(queue) { return .finished }
        if try isSettled(stage, queue) { return .finished }
        let expiry = stage.kind == .queue ? try nextExpiry(queue) : nil
        return .nothing(until: [try nextDue(queue), expiry].compactMap { $0 }.min())
    }

    private func nextDue(_ queue: QueueName) throws -> Int64? {
        guard try hasRows(queue) else { return nil }
        return try sql(Self.nextDueQuery, queue).first { $0.optionalInt(0) } ?? nil
    }
}

extension Transaction {
    static let gateQuery = Query(
        """
        SELECT
            (SELECT reason FROM leat_trips WHERE stage = ?2),
            EXISTS (SELECT 1 FROM leat_leases WHERE queue = ?3 AND worker = w.id),
            EXISTS (
                SELECT 1 FROM leat_leases INDEXED BY leat_leases_suspects
                WHERE queue = ?3 AND worker = w.id AND suspect > 0
            ),
            (SELECT frontier FROM leat_queues WHERE name = ?3)
        FROM leat_workers AS w
        WHERE w.id = ?1 AND w.ended_at IS NULL
        """)

    // qs_…_waiting
    static let isDueQuery = Query("SELECT 1 FROM qs_{name} WHERE state = 'waiting' AND visible_at <= ?1 LIMIT 1")
    static let admitQuery = Query(
        """
        UPDATE qs_{name} SET state = 'ready', visible_at = NULL
        WHERE id IN (
            SELECT id FROM qs_{name} WHERE state = 'waiting' AND visible_at <= ?1 ORDER BY visible_at LIMIT 1000
        )
        """)

    // qs_…_ready gives the order; the item is found by its rowid.
    static let readyQuery = Query(
        """
        SELECT s.id, i.payload, s.claims, s.attempts, s.generation, s.suspect, i.created_at, i.headers,
            s.priority
        FROM qs_{name} AS s
        CROSS JOIN q_{name} AS i ON i.id = s.id
        WHERE s.state = 'ready' AND (s.suspect = 0 OR ?2)
        ORDER BY s.priority DESC, s.id
        LIMIT ?1
        """)

    private static let leaseRowQuery = Query(
        "UPDATE qs_{name} SET state = 'leased', lease = ?2, claims = claims + 1 WHERE id = ?1")

    // qs_…_suspects; the second value is readyQuery's.
    static let readySuspectsQuery = Query(
        """
        SELECT s.id, i.payload, s.claims, s.attempts, s.generation, s.suspect, i.created_at, i.headers,
            s.priority
        FROM qs_{name} AS s
        CROSS JOIN q_{name} AS i ON i.id = s.id
        WHERE s.state = 'ready' AND s.suspect > 0 AND ?2 IS NOT NULL
        ORDER BY s.priority DESC, s.id
        LIMIT ?1
        """)

    static let deleteLeaseQuery = Query("DELETE FROM leat_leases WHERE queue = ?1 AND worker = ?2 AND id = ?3")
    private static let insertLeaseQuery = Query(
        """
        INSERT INTO leat_leases
            (queue, worker, id, lo, hi, items, taken, suspect, claims, claimed_at, expires_at, clock)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9, ?10, ?11)
        """)
    private static let numberLeaseQuery = Query(
        """
        UPDATE leat_queues SET
            last_lease = 1 + (SELECT max(last_lease) FROM leat_queues),
            frontier = coalesce(?2, frontier),
            ends_at = CASE WHEN ?3 IS NULL OR ends_at <= ?3 THEN ends_at ELSE ?3 END,
            ends_boot = CASE WHEN ?3 IS NULL THEN ends_boot ELSE ?4 END
        WHERE name = ?1
        RETURNING last_lease
        """)

    // qs_…_waiting
    static let nextDueQuery = Query("SELECT min(visible_at) FROM qs_{name} WHERE state = 'waiting'")
}
