extension MemoryState {
    mutating func status(at moment: MemoryMoment, _ terms: LeaseTerms) throws -> [StageStatus] {
        for queue in queues.indices { queues[queue].promote(wallClock: moment.wallClock) }
        let live = workerRecords(at: moment, terms).filter(\.isLive)
        return try plan?.stages.map { try status(of: place(of: $0.name), live: live) } ?? []
    }

    private func status(of place: Int, live: [WorkerRecord]) throws -> StageStatus {
        let stage = stages[place]
        var status = StageStatus(
            stage: stage.spec.name, kind: stage.spec.kind, state: .waiting, ready: 0, waiting: 0, leased: 0, done: 0,
            dead: 0, skipped: 0, emitted: stage.emitted.values.reduce(0, +), failures: stage.failures,
            refused: stage.refused, workers: Int64(live.count { $0.stage == stage.spec.name }),
            isClosed: stage.areShardsComplete, reason: nil
        )
        if let input = input(of: place) {
            let counts = queues[input].counts
            status.ready = counts[.ready]
            status.waiting = counts[.waiting]
            status.leased = counts[.leased]
            status.done = counts[.done]
            status.dead = counts[.dead]
            status.skipped = counts[.skipped]
            status.isClosed = queues[input].isClosed
        } else {
            for shard in stage.shards.values {
                if shard.isComplete {
                    status.done += 1
                } else if live.contains(where: { $0.id == shard.owner }) {
                    status.leased += 1
                } else {
                    status.ready += 1
                }
            }
        }
        (status.state, status.reason) = try judge(place, status)
        return status
    }

    private func judge(_ place: Int, _ status: StageStatus) throws -> (StageState, reason: String?) {
        if let reason = try failure(of: place) { return (.failed, reason) }
        if try isComplete(place) { return (status.dead > 0 ? .completeWithErrors : .complete, nil) }
        if stages[place].isStale { return (.stale, nil) }
        let hasWork = try hasWork(place, status)
        if !hasWork, let failed = try failedUpstream(of: stages[place].spec) {
            return (.blocked, "stage '\(failed)' failed")
        }
        if hasWork { return (status.workers > 0 ? .running : .ready, nil) }
        return (.waiting, nil)
    }

    /// Whether a worker would find something to do. Who needs all of its input, or the end of others, waits for it.
    private func hasWork(_ place: Int, _ status: StageStatus) throws -> Bool {
        let spec = stages[place].spec
        guard try mayRun(place) else { return false }
        if spec.takesAll { return status.isClosed }
        return status.ready + status.waiting + status.leased > 0
    }

    /// Why a stage failed, if it did.
    private func failure(of place: Int) throws -> String? {
        if let trip = stages[place].trip { return trip }
        guard let input = input(of: place), try isSettled(place), try isFailed(stages[place].spec) else { return nil }
        let counts = queues[input].counts
        return "\(counts[.dead]) of \(counts.settled) items are dead, which is more than it may end with"
    }

    /// A failed stage above, however far up.
    private func failedUpstream(of spec: StageSpec) throws -> StageName? {
        guard let plan else { return nil }
        var reached: Set<StageName> = [spec.name]
        var open = plan.upstream(of: spec)
        while let next = open.popLast() {
            guard reached.insert(next.name).inserted else { continue }
            if try failure(of: place(of: next.name)) != nil { return next.name }
            open += plan.upstream(of: next)
        }
        return nil
    }

    func workerRecords(at moment: MemoryMoment, _ terms: LeaseTerms) -> [WorkerRecord] {
        let lease = terms.duration.nanoseconds / 1_000_000
        return workers.enumerated().map { place, worker in
            WorkerRecord(
                id: WorkerID(Int64(place) + 1), stage: worker.enrollment.stage, pid: worker.enrollment.pid,
                log: worker.enrollment.log, startedAt: worker.startedAt, seenAt: worker.seenAt,
                isLive: worker.ending == nil
                    && (worker.enrollment.sign == .process || worker.seenAt + lease > moment.wallClock),
                ending: worker.ending?.word
            )
        }
    }

    func shards() throws -> [ShardRecord] {
        try (plan?.stages ?? []).filter { $0.kind == .producer }.flatMap { stage in
            try stages[place(of: stage.name)].shards.sorted { $0.key < $1.key }.map { name, shard in
                ShardRecord(id: ShardID(stage.name, name), emitted: shard.emitted, isComplete: shard.isComplete)
            }
        }
    }

    mutating func queueStatuses(at moment: MemoryMoment) -> [QueueStatus] {
        queues.indices.map { place in
            queues[place].promote(wallClock: moment.wallClock)
            let (queue, counts) = (queues[place], queues[place].counts)
            let taker = plan?.consumer(of: queue.name)
            return QueueStatus(
                queue: queue.name, stage: taker?.kind == .queue ? nil : taker?.name, isSealed: queue.isSealed,
                isClosed: queue.isClosed, ready: counts[.ready], waiting: counts[.waiting], leased: counts[.leased],
                done: counts[.done], dead: counts[.dead], skipped: counts[.skipped],
                oldestReadyAt: queue.ids(in: .ready).compactMap { queue[$0]?.createdAt }.min())
        }
    }

    mutating func items(
        in name: QueueName, after last: ItemID?, limit: Int, at moment: MemoryMoment
    ) throws -> [ItemRecord] {
        let queue = try place(of: name)
        queues[queue].promote(wallClock: moment.wallClock)
        let ids = queues[queue].ids.dropFirst(Int(max(0, last?.rawValue ?? 0))).prefix(max(0, limit))
        return ids.compactMap { id in
            queues[queue][ItemID(id)].map {
                ItemRecord(
                    id: ItemID(id), payload: $0.payload, key: $0.key, group: $0.group, origin: $0.origin,
                    parent: $0.parent, state: $0.state, claims: $0.claims, attempts: $0.attempts, kills: $0.kills,
                    suspect: $0.suspect, priority: $0.priority,
                    dueAt: $0.state == .waiting && !$0.isBehind ? $0.visibleAt : nil, reason: $0.reason
                )
            }
        }
    }

    func attempts(of name: StageName?, item: ItemID?, limit: Int) throws -> [AttemptRecord] {
        if let name { _ = try place(of: name) }
        let found = attempts.reversed().lazy.filter { attempt in
            (name == nil || attempt.stage == name) && (item == nil || attempt.item == item)
        }
        return Array(found.prefix(max(0, limit)))
    }

    func deadLetters(of name: StageName?, limit: Int) throws -> [DeadLetter] {
        let asked = try name.map { [try place(of: $0)] } ?? plan?.stages.map { try place(of: $0.name) } ?? []
        var last: [StageName: [ItemID: AttemptRecord]] = [:]
        for attempt in attempts {
            if let item = attempt.item { last[attempt.stage, default: [:]][item] = attempt }
        }
        var letters: [DeadLetter] = []
        for stage in asked {
            guard let input = input(of: stage) else { continue }
            for id in queues[input].ids(in: .dead).prefix(max(0, limit - letters.count)) {
                guard let item = queues[input][id] else { continue }
                letters.append(
                    DeadLetter(
                        stage: stages[stage].spec.name, queue: queues[input].name, item: id, attempts: item.attempts,
                        reason: item.reason ?? "", payload: item.payload,
                        errorOutput: last[stages[stage].spec.name]?[id]?.errorOutput
                    )
                )
            }
        }
        return letters
    }
}
