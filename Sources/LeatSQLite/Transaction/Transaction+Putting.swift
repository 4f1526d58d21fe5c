internal import Leat

/// Putting: rows appended to queues, and the count of each edge.
extension Transaction {
    /// Puts a step's outputs, under the name of the stage that made them.
    ///
    /// - Returns: how many were put: those whose key was there already are not.
    @discardableResult
    func put(_ outputs: [Output], from stage: StageSpec?) throws -> Int {
        guard !outputs.isEmpty else { return 0 }
        var total = 0
        // Outputs come in runs of one queue: a run's statement and its edge are looked up once.
        var index = 0
        while index < outputs.count {
            let queue = outputs[index].queue
            try check(queue, of: stage)
            let insert = try sql(Self.insertQuery, queue)
            insert.bind(.optional(stage?.name.rawValue), at: 3)
            insert.bind(.int(now), at: 5)
            var count = 0
            while index < outputs.count, outputs[index].queue == queue {
                if try put(outputs[index], insert, stage) { count += 1 }
                index += 1
            }
            if count > 0, let stage {
                try sql(Self.edgeQuery).run(.text(stage.name.rawValue), .text(queue.rawValue), .int(count))
            }
            if count > 0 { rings.work(in: queue) }
            total += count
        }
        return total
    }

    private func check(_ queue: QueueName, of stage: StageSpec?) throws {
        if let stage, !stage.outputs.contains(queue) {
            let allowed = stage.outputs.map(\.rawValue).joined(separator: ", ")
            throw LeatError(
                .invalidPipeline,
                "Stage '\(stage.name)' put into queue '\(queue)', which it has not declared; it may put into: \(allowed.isEmpty ? "none" : allowed)."
            )
        }
        if stage == nil { _ = try taker(of: queue) }
    }

    private func put(_ output: Output, _ insert: Statement, _ stage: StageSpec?) throws -> Bool {
        if let key = output.key,
            try sql(Self.keyQuery, output.queue).first(.text(key), body: { _ in true }) != nil
        {
            return false
        }
        do {
            // What is the same for the whole run stays bound; the payload is bound where it lies, without a copy.
            insert.bind(.optional(output.key), at: 2)
            insert.bind(.optional(output.parent?.rawValue), at: 4)
            try insert.run(payload: output.payload, at: 1)
        } catch let failure as SQLFailure where failure.message.hasPrefix(Self.closedMessage) {
            throw LeatError(
                .queueClosed,
                "Queue '\(output.queue)' is closed, as it was sealed and every stage that feeds it has ended: nothing may follow, and nothing of this step was committed."
            )
        }
        guard output.delay > .zero || output.priority > 0 else { return true }
        let id = ItemID(sql.lastInsertedID)
        let isDelayed = output.delay.milliseconds > 0
        try write(
            id, isDelayed ? "waiting" : "ready", ItemRow(claims: 0, priority: output.priority),
            visibleAt: isDelayed ? now + output.delay.milliseconds : nil, queue: output.queue)
        return true
    }

    /// What the trigger of a closed queue says; foreign writers see it too.
    static let closedMessage = "leat: this queue is closed"

    private static let insertQuery = Query(
        "INSERT INTO q_{name} (payload, key, origin, parent, created_at) VALUES (?1, ?2, ?3, ?4, ?5)")

    // q_…_key
    static let keyQuery = Query(
        """
        SELECT 1 FROM q_{name} AS i
        WHERE i.key = ?1
            AND NOT EXISTS (SELECT 1 FROM qs_{name} AS s WHERE s.id = i.id AND s.state = 'superseded')
        LIMIT 1
        """)

    private static let edgeQuery = Query(
        "UPDATE leat_edges SET inserted = inserted + ?3 WHERE stage = ?1 AND queue = ?2")
}
