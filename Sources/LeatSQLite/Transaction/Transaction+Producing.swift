internal import Leat

/// Producers: epochs, cursors, and the end.
extension Transaction {
    /// A compare-and-set: complete → nothing to do; live → refused; dead → taken over with the next epoch.
    func open(_ shard: ShardID, by worker: WorkerID) throws -> ShardOpening {
        let stage = try stage(shard.stage)
        guard try isLive(worker) else {
            throw LeatError(.leaseLost, "Worker \(worker) is not live any more, so it can't open a shard; enroll anew.")
        }
        guard let row = try producer(shard) else {
            throw LeatError(.notFound, "There is no producer '\(shard)'.")
        }
        if try isComplete(shard, stage) { return .complete }
        if let reason = try tripReason(stage.name) { return .refused(reason: reason) }
        if let owner = row.owner, owner != worker, try isLive(owner) { return .live(owner) }
        for earlier in stage.after where try !isComplete(try self.stage(earlier)) { return .notYet }
        try sql(Self.takeQuery).run(.text(stage.name.rawValue), .text(shard.shard.rawValue), .id(worker))
        return .opened(
            ShardHold(
                id: shard, epoch: row.epoch + 1, worker: worker, cursor: row.cursor, emitted: row.emitted))
    }

    func emit(_ emission: Emission) throws {
        let hold = emission.hold
        let stage = try stage(hold.id.stage)
        guard let row = try producer(hold.id), row.epoch == hold.epoch, row.owner == hold.worker,
            try isLive(hold.worker), try !isComplete(hold.id, stage)
        else {
            throw LeatError(
                .fenced,
                "Producer '\(hold.id)' was taken over from worker \(hold.worker) (epoch \(hold.epoch)), so nothing of this step was committed; the other one goes on from the saved cursor."
            )
        }
        if let body = emission.body { try callingOut { try body(SQLiteContext(database: database)) }.get() }
        let count = try put(emission.outputs, from: stage)
        try sql(Self.moveQuery).run(
            .text(stage.name.rawValue), .text(hold.id.shard.rawValue), .optional(emission.cursor), .int(count))
        try sql(Self.progressQuery).run(.text(stage.name.rawValue))
        guard emission.isLast else { return }
        try sql(Self.freeQuery).run(.text(stage.name.rawValue), .text(hold.id.shard.rawValue))
        for queue in stage.outputs { try complete(stage.name, hold.id.shard, on: queue) }
        if stage.hasEnding { try writeEnding(stage.name) }
        try cascade(from: stage.name)
    }

    struct ProducerRow {
        let epoch: Int64
        let owner: WorkerID?
        let cursor: String?
        let emitted: Int64
    }

    func producer(_ shard: ShardID) throws -> ProducerRow? {
        try sql(Self.producerQuery).first(.text(shard.stage.rawValue), .text(shard.shard.rawValue)) { row in
            ProducerRow(
                epoch: row.int(0), owner: row.optionalInt(1).map { WorkerID($0) }, cursor: row.optionalText(2),
                emitted: row.int(3))
        }
    }

    private func isComplete(_ shard: ShardID, _ stage: StageSpec) throws -> Bool {
        if stage.hasEnding { return try hasEnded(stage.name) }
        return try sql(Self.isCompleteQuery).first(.text(stage.name.rawValue), .text(shard.shard.rawValue)) { _ in
            true
        } ?? false
    }

    /// Whether a stage is complete, with or without errors: what lets a stage that comes after it run.
    func isComplete(_ stage: StageSpec) throws -> Bool {
        if stage.hasEnding { return try hasEnded(stage.name) }
        guard let input = stage.input else {
            return try sql(Self.unfinishedShardQuery).first(.text(stage.name.rawValue), body: { _ in true }) == nil
        }
        return try isClosed(input) && isExhausted(input) && !isFailed(stage)
    }

    private static let producerQuery = Query(
        "SELECT epoch, owner, cursor, emitted FROM leat_producers WHERE stage = ?1 AND shard = ?2")
    private static let takeQuery = Query(
        "UPDATE leat_producers SET epoch = epoch + 1, owner = ?3 WHERE stage = ?1 AND shard = ?2")
    private static let moveQuery = Query(
        """
        UPDATE leat_producers SET cursor = coalesce(?3, cursor), emitted = emitted + ?4
        WHERE stage = ?1 AND shard = ?2
        """)
    private static let freeQuery = Query("UPDATE leat_producers SET owner = NULL WHERE stage = ?1 AND shard = ?2")
    private static let progressQuery = Query("UPDATE leat_counts SET crashes = 0, kills = 0 WHERE stage = ?1")
    private static let isCompleteQuery = Query("SELECT 1 FROM leat_completions WHERE stage = ?1 AND shard = ?2 LIMIT 1")
    private static let unfinishedShardQuery = Query(
        """
        SELECT 1 FROM leat_producers AS p
        WHERE p.stage = ?1 AND NOT EXISTS (
            SELECT 1 FROM leat_completions AS c WHERE c.stage = p.stage AND c.shard = p.shard
        )
        LIMIT 1
        """)
}
