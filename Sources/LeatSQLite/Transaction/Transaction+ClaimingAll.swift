internal import Leat

/// Claiming a whole input as one unit, for a stage that runs when its input is closed.
extension Transaction {
    func claimAll(_ name: StageName, worker: WorkerID) throws -> Claim {
        let (stage, queue) = try stageAndInput(name)
        let gate = try gate(worker, name, queue)
        if let trip = gate.trip { return .refused(reason: trip) }
        if try hasEnded(name) { return .finished }
        guard try isClosed(queue), try !isBusy(queue) else { return .nothing(until: nil) }
        if let shortage = store.lackOfRoom { throw shortage }
        try admitDue(queue)
        if let due = try sql(Self.nextDueQuery, queue).first(body: { $0.optionalInt(0) }) ?? nil {
            return .nothing(until: due)
        }
        try takeBackDone(stage, queue)
        let last = try sql(Self.lastQuery, queue).first { $0.int(0) } ?? 0
        // The whole is claimed, each time: what an earlier worker left of it tells how often.
        let claims = Int(try sql(Self.orphanClaimsQuery).first(.text(queue.rawValue)) { $0.int(0) } ?? 0) + 1
        try sql(Self.dropOrphansQuery).run(.text(queue.rawValue))
        try sql(Self.frontierQuery).run(.text(queue.rawValue), .int(last + 1))

        // Everything that has no row is in the range, everything ready has a row that will name the lease.
        var rows: [Item] = []
        try sql(Self.readyQuery, queue).each(.int(Int64.max), .int(1)) { row in
            rows.append(Self.readyItem(row))
        }
        let path = try pathItems(queue, from: 1, to: .max, limit: .max, claims: claims)
        let items = (rows + path).sorted { $0.id < $1.id }
        // An empty input is a whole input too: the stage runs once, on nothing, under a lease of no item.
        let lease = try insertLease(
            queue, worker, lo: path.isEmpty ? nil : 1, hi: path.isEmpty ? nil : last, items: items.count, suspect: 0,
            claims: claims)
        try sql(Self.leaseReadyQuery, queue).run(.id(lease))
        return .granted(Lease(id: lease, stage: name, worker: worker, items: items, isSuspect: false))
    }

    /// A stage that has ended once and was reopened works on its whole input again, so what was done comes back.
    private func takeBackDone(_ stage: StageSpec, _ queue: QueueName) throws {
        let done = try sql(Self.doneQuery).first(.text(stage.name.rawValue)) { $0.int(0) } ?? 0
        guard done > 0 else { return }
        try sql(Self.reopenedQuery).run(.text(stage.name.rawValue), .int(done))
        try sql(Self.readyAgainQuery, queue).run()
    }

    /// Whether any item is in another worker's hands.
    private func isBusy(_ queue: QueueName) throws -> Bool {
        try sql(Self.busyQuery).first(.text(queue.rawValue), body: { _ in true }) ?? false
    }

    // The key of leat_leases
    private static let busyQuery = Query(
        "SELECT 1 FROM leat_leases WHERE queue = ?1 AND worker > 0 LIMIT 1")
    private static let doneQuery = Query("SELECT acknowledged - reopened FROM leat_counts WHERE stage = ?1")
    private static let reopenedQuery = Query("UPDATE leat_counts SET reopened = reopened + ?2 WHERE stage = ?1")
    private static let readyAgainQuery = Query("UPDATE qs_{name} SET state = 'ready' WHERE state = 'done'")
    private static let lastQuery = Query("SELECT coalesce(max(id), 0) FROM q_{name}")
    private static let orphanClaimsQuery = Query(
        "SELECT coalesce(max(claims), 0) FROM leat_leases WHERE queue = ?1 AND worker = 0")
    private static let dropOrphansQuery = Query("DELETE FROM leat_leases WHERE queue = ?1 AND worker = 0")
    private static let frontierQuery = Query("UPDATE leat_queues SET frontier = ?2 WHERE name = ?1")
    private static let leaseReadyQuery = Query(
        "UPDATE qs_{name} SET state = 'leased', lease = ?1, claims = claims + 1 WHERE state = 'ready'")
}
