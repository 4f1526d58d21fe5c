extension MemoryState {
    /// Takes a shard, from whoever had it and is dead, under the next epoch.
    mutating func open(_ id: ShardID, by worker: WorkerID) throws -> ShardOpening {
        let stage = try place(of: id.stage)
        let shard = try shard(id, of: stage)
        _ = try place(ofLive: worker)
        if shard.isComplete { return .complete }
        if let trip = stages[stage].trip { return .refused(reason: trip) }
        guard try mayRun(stage) else { return .notYet }
        if let owner = shard.owner, owner != worker { return .live(owner) }
        stages[stage].shards[id.shard]?.owner = worker
        stages[stage].shards[id.shard]?.epoch += 1
        return .opened(
            ShardHold(id: id, epoch: shard.epoch + 1, worker: worker, cursor: shard.cursor, emitted: shard.emitted)
        )
    }

    /// A producer's step: the fence, then items, cursor and end together.
    mutating func emit(_ emission: Emission, at moment: MemoryMoment) throws {
        let hold = emission.hold
        let stage = try place(of: hold.id.stage)
        let shard = try shard(hold.id, of: stage)
        guard shard.owner == hold.worker, shard.epoch == hold.epoch else {
            stages[stage].refused += 1
            throw LeatError(
                .fenced,
                "Worker \(hold.worker) can't go on with '\(hold.id)' under epoch \(hold.epoch): it has ended, or was taken over (epoch \(shard.epoch)); open it again."
            )
        }
        guard emission.body == nil else { throw Self.needsDatabase("Stage '\(hold.id.stage)'") }
        try check(emission.outputs, of: stage)

        let inserted = try insert(emission.outputs, of: stage, at: moment)
        stages[stage].forgetCrashes()
        stages[stage].shards[hold.id.shard]?.emitted += Int64(inserted)
        if let cursor = emission.cursor { stages[stage].shards[hold.id.shard]?.cursor = cursor }
        guard emission.isLast else { return }
        stages[stage].shards[hold.id.shard]?.isComplete = true
        stages[stage].shards[hold.id.shard]?.owner = nil
        if stages[stage].spec.hasEnding, stages[stage].areShardsComplete { stages[stage].end() }
        for queue in stages[stage].spec.outputs { try closeIfDue(queue) }
        try evaluate(from: hold.id.stage)
    }

    static func needsDatabase(_ who: String) -> LeatError {
        LeatError(
            .refused,
            "\(who) works inside the store's transaction, which the in-memory store has none of: it needs a database, if only ':memory:'."
        )
    }

    private func shard(_ id: ShardID, of stage: Int) throws -> MemoryShard {
        guard let shard = stages[stage].shards[id.shard] else {
            throw LeatError(
                .notFound,
                "There is no shard '\(printable(id.shard.rawValue))' of stage '\(id.stage)', which has \(stages[stage].shards.count); name it in the pipeline."
            )
        }
        return shard
    }
}
