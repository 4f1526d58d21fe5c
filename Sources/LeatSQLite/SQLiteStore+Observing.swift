internal import GRDB
public import Leat
internal import Synchronization

/// What an observer may ask, beside running workers.
extension SQLiteStore {
    public func status() async throws -> [StageStatus] {
        let now = time.wallClock
        return try await observe { [self] connection in
            let plan = try knownPlan(connection)
            var stages: [StageStatus] = []
            let gone = try self.gone(connection).map { "\($0)" }.joined(separator: ",")
            try connection.each(StatusViews(plan).stageStatus, [.int(now), .text("[\(gone)]")]) { row in
                stages.append(
                    StageStatus(
                        stage: StageName(unchecked: row.text(0)), kind: StageKind(rawValue: row.text(1)) ?? .consumer,
                        state: StageState(rawValue: row.text(2)) ?? .waiting, ready: row.int(3), waiting: row.int(4),
                        leased: row.int(5), done: row.int(6), dead: row.int(7), skipped: row.int(8),
                        emitted: row.int(9), failures: row.int(10), refused: row.int(11), workers: row.int(12),
                        isClosed: row.int(13) != 0, reason: row.optionalText(14)))
            }
            return stages
        }
    }

    /// The plan as it is in the reader's snapshot: another process may have made a queue, or changed a policy.
    func knownPlan(_ connection: Connection) throws -> Plan {
        let version = try connection.number(Transaction.planVersion)
        if let known = shared.withLock({ $0.observedPlan }), known.version == version { return known.plan }
        guard let plan = try Transaction.storedPlan(in: connection.database) else {
            throw LeatError(.notFound, "This database holds no pipeline and no queue yet; run the program once.")
        }
        shared.withLock { $0.observedPlan = (plan, version) }
        return plan
    }

    public func queues() async throws -> [QueueStatus] {
        let now = time.wallClock
        return try await observe { [self] connection in
            let plan = try knownPlan(connection)
            guard !plan.queues.isEmpty else { return [] }
            var queues: [QueueStatus] = []
            try connection.each(StatusViews(plan).queueStatus, [.int(now)]) { row in
                let name = QueueName(unchecked: row.text(0))
                let stage = plan.consumer(of: name)
                queues.append(
                    QueueStatus(
                        queue: name, stage: stage?.kind == .queue ? nil : stage?.name, isSealed: row.int(3) != 0,
                        isClosed: row.int(2) != 0, ready: row.int(4), waiting: row.int(5), leased: row.int(6),
                        done: row.int(7), dead: row.int(8), skipped: row.int(9), oldestReadyAt: nil))
            }
            for index in queues.indices where queues[index].ready > 0 {
                let query = Self.oldestReadyQuery.text(for: queues[index].queue)
                try connection.each(query, [.text(queues[index].queue.rawValue), .int(now)]) { row in
                    queues[index].oldestReadyAt = row.optionalInt(0)
                }
            }
            return queues
        }
    }

    // At the frontier, in each orphan, and among the rows that are ready or due: each by its index.
    private static let oldestReadyQuery = Query(
        """
        SELECT min(at) FROM (
            SELECT created_at AS at FROM q_{name}
            WHERE id = (
                SELECT min(i.id) FROM q_{name} AS i
                WHERE i.id >= (SELECT frontier FROM leat_queues WHERE name = ?1)
                    AND NOT EXISTS (SELECT 1 FROM qs_{name} AS s WHERE s.id = i.id)
            )
            UNION ALL
            SELECT i.created_at FROM leat_leases AS l JOIN q_{name} AS i ON i.id = l.lo
            WHERE l.queue = ?1 AND l.worker = 0
            UNION ALL
            SELECT i.created_at FROM qs_{name} AS s JOIN q_{name} AS i ON i.id = s.id WHERE s.state = 'ready'
            UNION ALL
            SELECT i.created_at FROM qs_{name} AS s JOIN q_{name} AS i ON i.id = s.id
            WHERE s.state = 'waiting' AND s.visible_at <= ?2
        )
        """)

    public func items(in queue: QueueName, after: ItemID?, limit: Int) async throws -> [ItemRecord] {
        let now = time.wallClock
        return try await observe { [self] connection in
            guard try knownPlan(connection).queues.contains(queue) else {
                throw LeatError(.notFound, "There is no queue '\(queue)'.")
            }
            let sql = """
                SELECT id, payload, key, origin, parent, state, visible_at, claims, attempts, kills, suspect, priority, reason,
                    group_id
                FROM items_\(queue) WHERE id > ?1 ORDER BY id LIMIT ?2
                """
            var records: [ItemRecord] = []
            try connection.each(sql, [.int(after?.rawValue ?? 0), .int(limit)]) { row in
                // The view judges by the host's clock; the store by its own.
                let word = row.optionalInt(6).map { $0 > now ? "waiting" : "ready" } ?? row.text(5)
                records.append(
                    ItemRecord(
                        id: ItemID(row.int(0)), payload: row.payload(1), key: row.optionalText(2),
                        group: row.optionalText(13), origin: row.optionalText(3).map { StageName(unchecked: $0) },
                        parent: row.optionalInt(4).map { ItemID($0) }, state: ItemState(rawValue: word) ?? .done,
                        claims: row.optionalInt(7).map { Int($0) }, attempts: Int(row.int(8)), kills: Int(row.int(9)),
                        suspect: Int(row.int(10)), priority: Int(row.int(11)),
                        dueAt: row.optionalInt(6).flatMap { $0 > now ? $0 : nil }, reason: row.optionalText(12)))
            }
            return records
        }
    }

    public func shards() async throws -> [ShardRecord] {
        try await observe { connection in
            // A stage that comes after others has one too, for its end.
            let sql = """
                SELECT p.stage, p.shard, p.emitted,
                    EXISTS (SELECT 1 FROM leat_completions AS c WHERE c.stage = p.stage AND c.shard = p.shard)
                FROM leat_producers AS p JOIN leat_stages AS s ON s.name = p.stage
                WHERE s.kind = 'producer'
                ORDER BY s.position, p.shard
                """
            var shards: [ShardRecord] = []
            try connection.each(sql, []) { row in
                let id = ShardID(StageName(unchecked: row.text(0)), ShardName(row.text(1)))
                shards.append(ShardRecord(id: id, emitted: row.int(2), isComplete: row.int(3) != 0))
            }
            return shards
        }
    }

    public func deadLetters(of stage: StageName?, limit: Int) async throws -> [DeadLetter] {
        return try await observe { [self] connection in
            let plan = try knownPlan(connection)
            if let stage, plan.stage(stage) == nil { throw LeatError(.notFound, "There is no stage '\(stage)'.") }
            let sql = """
                SELECT stage, queue, item, attempts, reason, payload, error_output
                FROM (\(StatusViews(plan).deadLetters))
                WHERE ?1 IS NULL OR stage = ?1 ORDER BY stage, item LIMIT ?2
                """
            var letters: [DeadLetter] = []
            try connection.each(sql, [.optional(stage?.rawValue), .int(limit)]) { row in
                letters.append(
                    DeadLetter(
                        stage: StageName(unchecked: row.text(0)), queue: QueueName(unchecked: row.text(1)),
                        item: ItemID(row.int(2)), attempts: Int(row.int(3)), reason: row.text(4),
                        payload: row.payload(5), errorOutput: row.optionalText(6)))
            }
            return letters
        }
    }

    public func attempts(of stage: StageName?, item: ItemID?, limit: Int) async throws -> [AttemptRecord] {
        return try await observe { [self] connection in
            let plan = try knownPlan(connection)
            if let stage, plan.stage(stage) == nil { throw LeatError(.notFound, "There is no stage '\(stage)'.") }
            let sql = """
                SELECT stage, item, worker, failed_at, error, exit_status, duration_ms, error_output
                FROM leat_attempts
                WHERE (?1 IS NULL OR stage = ?1) AND (?2 IS NULL OR item = ?2) ORDER BY id DESC LIMIT ?3
                """
            var attempts: [AttemptRecord] = []
            try connection.each(sql, [.optional(stage?.rawValue), .optional(item?.rawValue), .int(limit)]) { row in
                let evidence = Evidence(
                    exitStatus: row.optionalInt(5).map(Int32.init(truncatingIfNeeded:)),
                    duration: row.optionalInt(6).map { .milliseconds($0) }, errorOutput: row.optionalText(7))
                attempts.append(
                    AttemptRecord(
                        stage: StageName(unchecked: row.text(0)), item: row.optionalInt(1).map { ItemID($0) },
                        worker: WorkerID(row.int(2)), failedAt: row.int(3), error: row.text(4), evidence: evidence))
            }
            return attempts
        }
    }

    /// Waits for a doorbell where there is one. Else looks at `PRAGMA data_version`, which changes with every commit of
    /// another connection, at growing intervals: a reader's look costs microseconds and takes no lock.
    public func change(
        of what: Awaited, since mark: ChangeMark?, within timeout: Duration
    ) async throws -> ChangeMark {
        if let doorbell = doorbell(for: what) {
            let rings = doorbell.rings
            guard let mark, mark.value == Int64(rings) else { return ChangeMark(Int64(rings)) }
            try await doorbell.wait(since: rings, atMost: timeout)
            return ChangeMark(Int64(doorbell.rings))
        }
        let clock = ContinuousClock()
        let end = clock.now.advanced(by: timeout)
        var pause = Duration.milliseconds(1)
        while true {
            let found = ChangeMark(try await version())
            let now = clock.now
            if found != mark || now >= end { return found }
            try await Task.sleep(for: min(pause, now.duration(to: end)), clock: clock)
            pause = min(pause * 2, .milliseconds(20))
        }
    }

    /// - Returns: `nil` for what has none, and where none can be made (a full disk): then there is the database to look
    ///   at.
    func doorbell(for what: Awaited) -> Doorbell? {
        guard let path = file?.doorbell(what) else { return nil }
        return shared.withLock { shared in
            if let doorbell = shared.doorbells[what] { return doorbell }
            let doorbell = try? Doorbell(path: path)
            shared.doorbells[what] = doorbell
            return doorbell
        }
    }

    /// Wakes those who wait for what was committed.
    func ring(_ rings: [Awaited: Bool]) {
        for (what, isForAll) in rings { doorbell(for: what)?.ring(all: isForAll) }
    }

    private func version() async throws -> Int64 {
        guard file != nil else { return shared.withLock { $0.commits } }
        let queue = try connection(.observer)
        return try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Int64, any Error>) in
            queue.asyncWriteWithoutTransaction { database in
                continuation.resume(with: Result { try Connection(database).number("PRAGMA data_version") })
            }
        }
    }
}
