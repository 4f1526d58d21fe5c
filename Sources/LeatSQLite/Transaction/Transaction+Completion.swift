internal import Leat

/// Completion: the facts, and the rows that follow from them, all in the transaction that settles or closes.
extension Transaction {
    /// A step of this stage may have settled its last item: writes what has become due downstream.
    ///
    /// Only a closed input can have ended, and a member of a cycle, whose input closes with its end.
    func settled(_ stage: StageSpec, _ queue: QueueName) throws {
        guard try cycle(of: stage, queue) != nil || isClosed(queue) else { return }
        if try isExhausted(queue) { rings.end(of: queue) }
        try cascade(from: stage.name)
    }

    /// Wakes somebody for what is left after a step: what was settled may have given its group's next item its turn.
    func tellReady(in queue: QueueName?) throws {
        guard let queue, try hasRows(queue), try sql(Self.anyReadyQuery, queue).first(body: { _ in true }) != nil else {
            return
        }
        rings.work(in: queue)
    }

    /// Whether everything that the stage will ever receive is settled.
    func isSettled(_ stage: StageSpec, _ queue: QueueName) throws -> Bool {
        guard let cycle = try cycle(of: stage, queue) else { return try isClosed(queue) && isExhausted(queue) }
        return try CompletionRules.isSettled(cycle, in: plan(), Facts(transaction: self))
    }

    /// The members of the cycle that a stage is part of, which complete together.
    private func cycle(of stage: StageSpec, _ queue: QueueName) throws -> [StageName]? {
        try plan().units.first { unit in
            unit.contains(stage.name) && (unit.count > 1 || stage.outputs.contains(queue))
        }
    }

    func cascade(from stage: StageName? = nil) throws {
        var facts = Facts(transaction: self)
        try CompletionRules.cascade(from: stage, in: plan(), &facts)
    }

    func isClosed(_ queue: QueueName) throws -> Bool {
        try sql(Self.closedQuery).first(.text(queue.rawValue)) { $0.int(0) != 0 } ?? false
    }

    /// Nothing of the queue is ready, waiting or leased. A few microseconds, no counting.
    func isExhausted(_ queue: QueueName) throws -> Bool {
        try sql(Self.exhaustedQuery, queue).first(.text(queue.rawValue)) { $0.int(0) != 0 } ?? false
    }

    /// Nothing of the queue is ready or waiting: all that is left of it is in somebody's hands.
    func isHandedOut(_ queue: QueueName) throws -> Bool {
        try sql(Self.handedOutQuery, queue).first(.text(queue.rawValue)) { $0.int(0) != 0 } ?? false
    }

    func isSealed(_ queue: QueueName) throws -> Bool {
        try sql(Self.sealedQuery).first(.text(queue.rawValue)) { $0.int(0) != 0 } ?? false
    }

    func hasEnded(_ stage: StageName) throws -> Bool {
        try sql(Self.endedQuery).first(.text(stage.rawValue), body: { _ in true }) ?? false
    }

    func tripReason(_ stage: StageName) throws -> String? {
        try sql(Self.tripQuery).first(.text(stage.rawValue)) { $0.text(0) }
    }

    /// A trip, or more dead items than are tolerated. Asked when the stage's input is settled.
    func isFailed(_ stage: StageSpec) throws -> Bool {
        if try tripReason(stage.name) != nil { return true }
        guard let input = stage.input, stage.policy.maxDead != .any else { return false }
        let (dead, others) =
            try sql(Self.deadQuery, input).first(.text(stage.name.rawValue)) { ($0.int(0), $0.int(1)) } ?? (0, 0)
        return !stage.policy.maxDead.allows(dead: dead, of: dead + others)
    }

    /// The ending row of a stage that runs once. It lets what comes after it start.
    func writeEnding(_ stage: StageName) throws {
        try sql(Self.writeEndingQuery).run(.text(stage.rawValue), .int(now))
        try sql(Self.countEndingQuery).run(.text(stage.rawValue))
    }

    /// A producer's completion row, and the trigger that refuses inserts when it was the queue's last.
    func complete(_ stage: StageName, _ shard: ShardName, on queue: QueueName) throws {
        try sql(Self.completeQuery).run(
            .text(queue.rawValue), .text(stage.rawValue), .text(shard.rawValue), .int(now))
        if try isClosed(queue) { try close(queue) }
    }

    /// A closed queue refuses inserts, even from a bare `sqlite3`. A standing trigger would cost each insert, so it is
    /// made when the queue closes and dropped when it reopens.
    func close(_ queue: QueueName) throws {
        rings.end(of: queue)
        try sql.execute(
            """
            CREATE TRIGGER IF NOT EXISTS leat_closed_\(queue) BEFORE INSERT ON q_\(queue)
            BEGIN SELECT RAISE(ABORT, '\(Self.closedMessage): \(queue)'); END
            """)
    }

    /// Takes back what a stage and all that follows it have told: completion rows, endings, closed queues.
    func reopen(after stage: StageSpec) throws {
        for later in [stage] + (try plan().downstream(of: stage.name)) {
            for queue in later.outputs {
                try sql(Self.uncompleteStageQuery).run(.text(queue.rawValue), .text(later.name.rawValue))
                try sql.execute("DROP TRIGGER IF EXISTS leat_closed_\(queue)")
            }
            try sql(Self.deleteEndingQuery).run(.text(later.name.rawValue))
            if later.hasEnding { try takeBack(later) }
        }
    }

    /// A stage that runs once may be at it just now, on an input that has been reopened: its worker is fenced.
    private func takeBack(_ stage: StageSpec) throws {
        if let input = stage.input {
            for lease in try leases(on: input) where lease.worker != nil { try orphan(lease, suspect: 0) }
        }
        try sql(Self.fenceOwnerQuery).run(.text(stage.name.rawValue))
    }
}

/// The facts that ``CompletionRules`` judges by, in one transaction.
private struct Facts: CompletionFacts {
    let transaction: Transaction

    func hasCompletion(of stage: StageName, on queue: QueueName) throws -> Bool {
        try transaction.sql(Transaction.hasCompletionQuery).first(.text(stage.rawValue), .text(queue.rawValue)) {
            $0.int(0) != 0
        } ?? false
    }
    func isSealed(_ queue: QueueName) throws -> Bool { try transaction.isSealed(queue) }
    func isExhausted(_ queue: QueueName) throws -> Bool { try transaction.isExhausted(queue) }
    func isFailed(_ stage: StageSpec) throws -> Bool { try transaction.isFailed(stage) }
    func hasEnded(_ stage: StageName) throws -> Bool { try transaction.hasEnded(stage) }
    mutating func complete(_ stage: StageName, on queue: QueueName) throws {
        try transaction.complete(stage, .whole, on: queue)
    }
}

extension Transaction {
    /// Whether a queue is closed, as an expression over `leat_queues AS q`.
    static let isClosedExpression = """
        q.sealed AND NOT EXISTS (
            SELECT 1 FROM leat_edges AS e
            JOIN leat_producers AS p ON p.stage = e.stage
            WHERE e.queue = q.name AND NOT EXISTS (
                SELECT 1 FROM leat_completions AS c
                WHERE c.queue = e.queue AND c.stage = p.stage AND c.shard = p.shard
            )
        )
        """

    // qs_…_ready
    static let anyReadyQuery = Query("SELECT 1 FROM qs_{name} WHERE state = 'ready' LIMIT 1")

    static let closedQuery = Query("SELECT \(isClosedExpression) FROM leat_queues AS q WHERE q.name = ?1")

    fileprivate static let hasCompletionQuery = Query(
        """
        SELECT NOT EXISTS (
            SELECT 1 FROM leat_producers AS p
            WHERE p.stage = ?1 AND NOT EXISTS (
                SELECT 1 FROM leat_completions AS c
                WHERE c.queue = ?2 AND c.stage = p.stage AND c.shard = p.shard
            )
        )
        """)

    // Rowid, leat_leases by its key, and one partial index a state: `state IN (…)` would use none of them.
    static let exhaustedQuery = Query(
        """
        SELECT NOT EXISTS (
                SELECT 1 FROM q_{name} AS i
                WHERE i.id >= (SELECT frontier FROM leat_queues WHERE name = ?1)
                    AND NOT EXISTS (SELECT 1 FROM qs_{name} AS s WHERE s.id = i.id)
            )
            AND NOT EXISTS (SELECT 1 FROM leat_leases WHERE queue = ?1)
            AND NOT EXISTS (SELECT 1 FROM qs_{name} WHERE state = 'ready')
            AND NOT EXISTS (SELECT 1 FROM qs_{name} WHERE state = 'waiting')
            AND NOT EXISTS (SELECT 1 FROM qs_{name} WHERE state = 'leased')
        """)

    // The same; a lease of worker 0 is ready, and what is behind another of its group comes after that.
    static let handedOutQuery = Query(
        """
        SELECT NOT EXISTS (
                SELECT 1 FROM q_{name} AS i
                WHERE i.id >= (SELECT frontier FROM leat_queues WHERE name = ?1)
                    AND NOT EXISTS (SELECT 1 FROM qs_{name} AS s WHERE s.id = i.id)
            )
            AND NOT EXISTS (SELECT 1 FROM leat_leases WHERE queue = ?1 AND worker = 0)
            AND NOT EXISTS (SELECT 1 FROM qs_{name} WHERE state = 'ready')
            AND NOT EXISTS (SELECT 1 FROM qs_{name} WHERE state = 'waiting' AND visible_at IS NOT NULL)
        """)

    private static let sealedQuery = Query("SELECT sealed FROM leat_queues WHERE name = ?1")
    private static let deadQuery = Query(
        """
        SELECT
            (SELECT count(*) FROM qs_{name} WHERE state = 'dead'),
            (SELECT acknowledged - reopened FROM leat_counts WHERE stage = ?1)
                + (SELECT count(*) FROM qs_{name} WHERE state = 'skipped')
        """)
    private static let endedQuery = Query("SELECT 1 FROM leat_endings WHERE stage = ?1")
    private static let tripQuery = Query("SELECT reason FROM leat_trips WHERE stage = ?1")
    private static let writeEndingQuery = Query(
        "INSERT INTO leat_endings (stage, ended_at) VALUES (?1, ?2) ON CONFLICT (stage) DO NOTHING")
    private static let countEndingQuery = Query("UPDATE leat_counts SET endings = endings + 1 WHERE stage = ?1")
    private static let fenceOwnerQuery = Query(
        "UPDATE leat_producers SET owner = NULL WHERE stage = ?1 AND owner IS NOT NULL")
    private static let deleteEndingQuery = Query("DELETE FROM leat_endings WHERE stage = ?1")
    private static let completeQuery = Query(
        """
        INSERT INTO leat_completions (queue, stage, shard, completed_at) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (queue, stage, shard) DO NOTHING
        """)
    private static let uncompleteStageQuery = Query("DELETE FROM leat_completions WHERE queue = ?1 AND stage = ?2")
}
