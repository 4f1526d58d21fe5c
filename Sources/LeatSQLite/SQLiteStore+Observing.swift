internal import GRDB
public import Leat
internal import Synchronization

/// What an observer may ask, beside running workers.
extension SQLiteStore {
    public func status() async throws -> [StageStatus] {
        let plan = try await knownPlan()
        let now = time.wallClock
        return try await read { database in
            let statement = try database.cachedStatement(sql: StatusViews(plan).stageStatus)
            return try Row.fetchAll(statement, arguments: [now]).map { row in
                StageStatus(
                    stage: StageName(unchecked: row["stage"]), kind: StageKind(rawValue: row["kind"]) ?? .consumer,
                    state: StageState(rawValue: row["state"]) ?? .waiting, ready: row["ready"],
                    waiting: row["waiting"], leased: row["leased"], done: row["done"], dead: row["dead"],
                    skipped: row["skipped"], emitted: row["emitted"], failures: row["failures"],
                    refused: row["refused"], workers: row["workers"], isClosed: row["closed"], reason: row["reason"])
            }
        }
    }

    func knownPlan() async throws -> Plan {
        if let plan = shared.withLock({ $0.plan }) { return plan }
        return try await write { try $0.plan() }
    }

    public func items(in queue: QueueName, after: ItemID?, limit: Int) async throws -> [ItemRecord] {
        guard try await knownPlan().queues.contains(queue) else {
            throw LeatError(.notFound, "There is no queue '\(queue)'.")
        }
        let now = time.wallClock
        return try await read { database in
            let sql = "SELECT * FROM items_\(queue) WHERE id > ? ORDER BY id LIMIT ?"
            let statement = try database.cachedStatement(sql: sql)
            return try Row.fetchAll(statement, arguments: [after?.rawValue ?? 0, limit]).map { row in
                let visibleAt: Int64? = row["visible_at"]
                let isWaiting = visibleAt.map { $0 > now }
                let word: String = isWaiting.map { $0 ? "waiting" : "ready" } ?? row["state"]
                return ItemRecord(
                    id: ItemID(row["id"] as Int64), payload: Self.payload(row, "payload"), key: row["key"],
                    origin: (row["origin"] as String?).map { StageName(unchecked: $0) },
                    parent: (row["parent"] as Int64?).map { ItemID($0) }, state: ItemState(rawValue: word) ?? .done,
                    claims: row["claims"], attempts: row["attempts"], kills: row["kills"], suspect: row["suspect"],
                    priority: row["priority"], reason: row["reason"])
            }
        }
    }

    private static func payload(_ row: Row, _ column: String) -> Payload {
        switch (row[column] as DatabaseValue).storage {
        case .string(let text): .text(text)
        case .blob(let data): .blob(Array(data))
        case .null, .int64, .double: .blob([])
        }
    }

    public func deadLetters(of stage: StageName?, limit: Int) async throws -> [DeadLetter] {
        let plan = try await knownPlan()
        if let stage, plan.stage(stage) == nil { throw LeatError(.notFound, "There is no stage '\(stage)'.") }
        return try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT stage, queue, item, attempts, reason, payload FROM leat_dead_letters
                    WHERE ?1 IS NULL OR stage = ?1 ORDER BY stage, item LIMIT ?2
                    """,
                arguments: [stage?.rawValue, limit]
            ).map { row in
                DeadLetter(
                    stage: StageName(unchecked: row["stage"]), queue: QueueName(unchecked: row["queue"]),
                    item: ItemID(row["item"] as Int64), attempts: row["attempts"], reason: row["reason"] ?? "",
                    payload: Self.payload(row, "payload"))
            }
        }
    }

    /// Looks at `PRAGMA data_version`, which changes with every commit of another connection, at growing intervals:
    /// a reader's look costs microseconds and takes no lock.
    public func change(within timeout: Duration) async throws {
        let clock = ContinuousClock()
        let end = clock.now.advanced(by: timeout)
        var pause = Duration.milliseconds(1)
        while true {
            let version = try await version()
            let isNew = shared.withLock { shared in
                defer { shared.seenVersion = version }
                return shared.seenVersion != version
            }
            let now = clock.now
            if isNew || now >= end { return }
            do {
                try await Task.sleep(for: min(pause, now.duration(to: end)), clock: clock)
            } catch {
                // Cancelled: the caller sees to that; there is nothing to undo here.
                return
            }
            pause = min(pause * 2, .milliseconds(20))
        }
    }

    private func version() async throws -> Int64 {
        guard file != nil else { return shared.withLock { $0.commits } }
        let queue = try reader()
        return try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Int64, any Error>) in
            queue.asyncWriteWithoutTransaction { database in
                continuation.resume(
                    with: Result { try Int64.fetchOne(database, sql: "PRAGMA data_version") ?? 0 })
            }
        }
    }
}
