internal import Leat

/// Putting: rows appended to queues, and the count of each edge.
extension Transaction {
    /// Puts a step's outputs, under the name of the stage that made them.
    ///
    /// - Returns: how many were put: those whose key was there already are not.
    @discardableResult
    func put(_ outputs: [Output], from stage: StageSpec?) throws -> Int {
        // Where they lie: what is taken out of an array is copied, with all that it refers to.
        try outputs.withUnsafeBufferPointer { try put($0, from: stage) }
    }

    private func put(_ outputs: UnsafeBufferPointer<Output>, from stage: StageSpec?) throws -> Int {
        var total = 0
        // Outputs come in runs of one queue: a run's statement and its edge are looked up once.
        var index = 0
        while index < outputs.count {
            let queue = outputs[index].queue
            try check(queue, of: stage)
            var end = index + 1
            while end < outputs.count, outputs[end].queue == queue { end += 1 }
            let count = try put(UnsafeBufferPointer(rebasing: outputs[index..<end]), into: queue, from: stage)
            index = end
            if count > 0, let stage {
                try sql(Self.edgeQuery).run(.text(stage.name.rawValue), .text(queue.rawValue), .int(count))
            }
            if count > 0 { rings.work(in: queue) }
            total += count
        }
        return total
    }

    private func put(
        _ outputs: UnsafeBufferPointer<Output>, into queue: QueueName, from stage: StageSpec?
    ) throws -> Int {
        let insert = try sql(Self.insertQuery, queue)
        insert.bind(.optional(stage?.name.rawValue), at: 3)
        insert.bind(.int(now), at: 5)
        // Of what is taken as a whole no part waits for another.
        let hasGroups = try taker(of: queue).takesAll == false
        var count = 0
        var index = 0
        while index < outputs.count {
            // Those that are nothing but a payload go many in a statement, which costs half as much.
            if outputs.count - index >= Self.rows {
                let block = UnsafeBufferPointer(rebasing: outputs[index..<index + Self.rows])
                if block.indices.allSatisfy({ block[$0].isPlain(hasGroups: hasGroups) }) {
                    if try !putPlain(block, into: queue, from: stage) {
                        for output in block { _ = try put(output, insert, hasGroups: hasGroups) }
                    }
                    count += Self.rows
                    index += Self.rows
                    continue
                }
            }
            if try put(outputs[index], insert, hasGroups: hasGroups) { count += 1 }
            index += 1
        }
        return count
    }

    /// Inserts ``rows`` outputs by one statement.
    ///
    /// - Returns: `false`, with nothing done, when they are so large that one by one is as well.
    private func putPlain(
        _ outputs: UnsafeBufferPointer<Output>, into queue: QueueName, from stage: StageSpec?
    ) throws -> Bool {
        let insert = try sql(Self.insertRowsQuery, queue)
        insert.bind(.optional(stage?.name.rawValue), at: 1)
        insert.bind(.int(now), at: 2)
        var parameter: Int32 = 4
        for index in outputs.indices {
            insert.bind(.optional(outputs[index].parent?.rawValue), at: parameter)
            parameter += 2
        }
        return try refusingClosed(queue) {
            try insert.run(payloads: outputs.indices.lazy.map { outputs[$0].payload }, from: 3, in: sql.scratch)
        }
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

    private func put(_ output: Output, _ insert: Statement, hasGroups: Bool) throws -> Bool {
        if let key = output.key,
            try sql(Self.keyQuery, output.queue).first(.text(key), body: { _ in true }) != nil
        {
            return false
        }
        try refusingClosed(output.queue) {
            // What is the same for the whole run stays bound; the payload is bound where it lies, without a copy.
            insert.bind(.optional(output.key), at: 2)
            insert.bind(.optional(output.parent?.rawValue), at: 4)
            // Most items have neither, and what is not bound is NULL.
            let hasMore = output.group != nil || !output.headers.isEmpty
            if hasMore {
                insert.bind(.optional(hasGroups ? output.group : nil), at: 6)
                insert.bind(.optional(output.headers.isEmpty ? nil : try Headers.text(output.headers)), at: 7)
            }
            defer {
                if hasMore {
                    insert.bind(.null, at: 6)
                    insert.bind(.null, at: 7)
                }
            }
            try insert.run(payload: output.payload, at: 1)
        }
        let due = output.due.time(at: now)
        let id = ItemID(sql.lastInsertedID)
        if hasGroups, let group = output.group {
            try join(group, id, due: due, priority: output.priority, queue: output.queue)
        } else if due != nil || output.priority > 0 {
            try write(
                id, due == nil ? "ready" : "waiting", ItemRow(claims: 0, priority: output.priority), visibleAt: due,
                queue: output.queue)
        } else {
            return true
        }
        // A frontier that stood still before items with rows would keep what is done from being forgotten and pruned.
        try sql(Self.passQuery).run(.text(output.queue.rawValue), .id(id))
        return true
    }

    private func refusingClosed<T>(_ queue: QueueName, _ insert: () throws -> T) throws -> T {
        do {
            return try insert()
        } catch let failure as SQLFailure where failure.message.hasPrefix(Self.closedMessage) {
            throw LeatError(
                .queueClosed,
                "Queue '\(queue)' is closed: it was sealed, and every stage that feeds it, if any does, has ended. Nothing of this step was committed; reopen the queue ('leat reopen') if more is to come."
            )
        }
    }

    /// Gives a new item its place in its group: its turn at once, if the group has no other.
    private func join(_ group: String, _ id: ItemID, due: Int64?, priority: Int, queue: QueueName) throws {
        let isBehind = try sql(Self.hasGroupQuery, queue).first(.text(group), body: { _ in true }) != nil
        let isReady = !isBehind && due == nil
        hasNewRow(queue)
        try sql(Self.joinQuery, queue).run(
            .id(id), .text(isReady ? "ready" : "waiting"), .int(priority), .text(group),
            .optional(isBehind ? nil : due), .optional(isBehind ? due : nil))
    }

    /// What the trigger of a closed queue says; foreign writers see it too.
    static let closedMessage = "leat: this queue is closed"

    private static let insertQuery = Query(
        "INSERT INTO q_{name} (payload, key, origin, parent, created_at, group_id, headers) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
    )

    /// How many rows one statement inserts: with more a row gets no cheaper (`make bench PARTS=rows`).
    private static let rows = 25
    private static let insertRowsQuery = Query(
        "INSERT INTO q_{name} (payload, origin, parent, created_at) VALUES "
            + (0..<rows).map { "(?\(2 * $0 + 3), ?1, ?\(2 * $0 + 4), ?2)" }.joined(separator: ", "))

    private static let passQuery = Query(
        "UPDATE leat_queues SET frontier = frontier + 1 WHERE name = ?1 AND frontier = ?2")

    // qs_…_groups
    static let hasGroupQuery = Query("SELECT 1 FROM qs_{name} WHERE group_id = ?1 LIMIT 1")
    private static let joinQuery = Query(
        "INSERT INTO qs_{name} (id, state, priority, group_id, visible_at, due_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")

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

extension Output {
    /// Whether it goes the straight path and has nothing but its payload and its parent.
    fileprivate func isPlain(hasGroups: Bool) -> Bool {
        isPlain || (key == nil && priority == 0 && due == .now && headers.isEmpty && !hasGroups)
    }
}
