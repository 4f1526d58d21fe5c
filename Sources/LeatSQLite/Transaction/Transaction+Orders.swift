internal import Leat

/// What people order: each is written down, and what follows is in the same transaction.
extension Transaction {
    func begin(by who: String) throws {
        try record("run", by: who)
        for queue in try plan().queues { rings.end(of: queue) }
        try sql.execute(
            """
            DELETE FROM leat_trips;
            UPDATE leat_counts SET
                settled = 0, dead = 0, window_settled = 0, window_dead = 0, crashes = 0, kills = 0
            """)
        try cascade()
    }

    func restart(_ name: StageName, by who: String) throws {
        let stage = try stage(name)
        try record("restart", by: who, stage: name)
        try clear(stage.name)
        try cascade(from: stage.name)
    }

    private func clear(_ stage: StageName) throws {
        if let input = try self.stage(stage).input { rings.end(of: input) }
        try sql(Self.untripQuery).run(.text(stage.rawValue))
        try sql(Self.clearQuery).run(.text(stage.rawValue))
    }

    /// Dead items are ready again with a fresh budget; what the stage and all that follows it have told is taken back.
    func retry(_ name: StageName, by who: String) throws -> Int {
        let stage = try stage(name)
        try record("retry", by: who, stage: name)
        try clear(name)
        guard let queue = stage.input else { return 0 }
        try sql(Self.reviveQuery, queue).run()
        let count = sql.changes
        guard count > 0 else {
            try cascade(from: name)
            return 0
        }
        try refuseAfterPassedOn(stage, "items before it can't be retried")
        try reopen(after: stage)
        return count
    }

    /// What was made of a whole input and passed on can't be taken back.
    private func refuseAfterPassedOn(_ stage: StageSpec, _ what: String) throws {
        for later in try plan().downstream(of: stage.name) + [stage]
        where later.hasEnding && !later.outputs.isEmpty {
            guard try hasEnded(later.name) else { continue }
            throw LeatError(
                .refused,
                "Stage '\(later.name)' has ended on all of its input and passed its outputs on, so \(what); begin a new run in a new file."
            )
        }
    }

    func seal(_ queue: QueueName, by who: String) throws {
        let stage = try taker(of: queue)
        try record("seal \(queue)", by: who, stage: stage.name)
        try sql(Self.sealQuery).run(.text(queue.rawValue), .int(1))
        if try isClosed(queue) { try close(queue) }
        // A queue of a cycle closes with the cycle, which may have waited for the seal alone.
        try cascade(from: stage.name)
    }

    func reopen(_ queue: QueueName, by who: String) throws {
        let stage = try taker(of: queue)
        try refuseAfterPassedOn(stage, "nothing can be added before it")
        try record("reopen \(queue)", by: who, stage: stage.name)
        try sql(Self.sealQuery).run(.text(queue.rawValue), .int(0))
        try sql.execute("DROP TRIGGER IF EXISTS leat_closed_\(queue)")
        try reopen(after: stage)
    }

    /// The stage that takes from a queue.
    func taker(of queue: QueueName) throws -> StageSpec {
        let plan = try plan(having: { $0.consumer(of: queue) != nil })
        guard let stage = plan.consumer(of: queue) else { throw noQueue(queue, in: plan) }
        return stage
    }

    func noQueue(_ queue: QueueName, in plan: Plan) -> LeatError {
        let names = plan.queues.map(\.rawValue).joined(separator: ", ")
        return LeatError(
            .notFound, "There is no queue '\(queue)'\(names.isEmpty ? "" : "; the queues are \(names)").")
    }

    private static let sealQuery = Query("UPDATE leat_queues SET sealed = ?2 WHERE name = ?1")

    func skip(_ item: ItemID, of name: StageName, by who: String) throws {
        let (stage, queue) = try stageAndInput(name)
        guard try exists(item, in: queue) else {
            throw LeatError(.notFound, "Queue '\(queue)' of stage '\(name)' has no item \(item).")
        }
        try record("skip", by: who, stage: name, item: item)
        let row = try sql(Self.stateQuery, queue).first(.id(item)) { row in
            (state: row.text(0), lease: row.optionalInt(1), values: Self.values(row, from: 2))
        }
        if let row {
            switch ItemState(rawValue: row.state) {
            case .done, .skipped, .superseded, nil: throw alreadySettled(item, queue, row.state)
            case .leased:
                if let id = row.lease, let lease = try lease(LeaseID(id), on: queue) { try orphan(lease, suspect: nil) }
            case .ready, .waiting, .dead: break
            }
            try write(item, "skipped", row.values, queue: queue)
        } else if let lease = try lease(covering: item, in: queue) {
            try skip(item, from: lease)
        } else {
            guard try sql(Self.isNewQuery).first(.text(queue.rawValue), .id(item), body: { $0.int(0) != 0 }) == true
            else { throw alreadySettled(item, queue, "done") }
            try write(item, "skipped", ItemRow(claims: 0), queue: queue)
        }
        try tellRoom(in: queue, of: stage)
        try settled(stage, queue)
        try tellReady(in: queue)
    }

    /// The lease is first made an orphan: its worker's step will be refused as a whole.
    private func skip(_ item: ItemID, from lease: HeldLease) throws {
        try orphan(lease, suspect: nil)
        guard let orphan = try self.lease(covering: item, in: lease.queue) else {
            throw LeatError(.storeFailed, "Item \(item) of queue '\(lease.queue)' is in no lease; run verify.")
        }
        try write(item, "skipped", ItemRow(claims: orphan.claims), queue: lease.queue)
        if orphan.items > 1 {
            try shrink(orphan, by: 1)
        } else {
            try end(orphan)
        }
    }

    private func alreadySettled(_ item: ItemID, _ queue: QueueName, _ state: String) -> LeatError {
        LeatError(.refused, "Item \(item) of queue '\(queue)' is \(state) already, so it can't be skipped.")
    }

    private static let untripQuery = Query("DELETE FROM leat_trips WHERE stage = ?1")
    private static let clearQuery = Query(
        """
        UPDATE leat_counts SET
            settled = 0, dead = 0, window_settled = 0, window_dead = 0, crashes = 0, kills = 0
        WHERE stage = ?1
        """)

    // qs_…_dead
    private static let reviveQuery = Query(
        "UPDATE qs_{name} SET state = 'ready', attempts = 0, kills = 0, suspect = 0, reason = NULL WHERE state = 'dead'"
    )
    private static let stateQuery = Query(
        """
        SELECT state, lease, claims, attempts, kills, suspect, priority, generation FROM qs_{name} WHERE id = ?1
        """)
    private static let isNewQuery = Query("SELECT ?2 >= frontier FROM leat_queues WHERE name = ?1")
}
