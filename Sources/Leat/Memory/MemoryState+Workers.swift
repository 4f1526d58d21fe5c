extension MemoryState {
    mutating func enroll(_ enrollment: Enrollment, at moment: MemoryMoment) throws -> WorkerID {
        _ = try place(of: enrollment.stage)
        workers.append(
            MemoryWorker(
                enrollment: enrollment, startedAt: moment.wallClock, boot: moment.boot, beatAt: moment.instant,
                seenAt: moment.wallClock
            )
        )
        return WorkerID(Int64(workers.count))
    }

    mutating func beat(_ worker: WorkerID, at moment: MemoryMoment) -> Beat {
        let place = Int(worker.rawValue) - 1
        guard workers.indices.contains(place), workers[place].ending == nil else { return .lost }
        workers[place].beatAt = moment.instant
        workers[place].seenAt = moment.wallClock
        return .alive
    }

    /// Ends the workers that have been silent for longer than a lease lasts.
    mutating func reap(after duration: Duration, at moment: MemoryMoment) throws -> [Reaped] {
        var reaped: [Reaped] = []
        for place in workers.indices where workers[place].ending == nil {
            let ending: WorkerEnding
            if workers[place].boot != moment.boot {
                ending = .rebooted
            } else if workers[place].enrollment.sign == .heartbeat,
                moment.instant - workers[place].beatAt > duration.nanoseconds
            {
                ending = .silent
            } else {
                continue
            }
            let worker = WorkerID(Int64(place) + 1)
            let account = try end(worker, ending, at: moment)
            reaped.append(
                Reaped(worker: worker, stage: workers[place].enrollment.stage, ending: ending, account: account)
            )
        }
        return reaped
    }

    /// Writes down how a worker ended, hands back what it held, and finds whom to charge.
    mutating func end(
        _ worker: WorkerID, _ ending: WorkerEnding, culprit: ItemID? = nil, at moment: MemoryMoment
    ) throws -> DeathAccount {
        let place = Int(worker.rawValue) - 1
        guard workers.indices.contains(place) else {
            throw LeatError(
                .notFound, "Worker \(worker) can't be ended: the last that was enrolled is \(workers.count).")
        }
        guard workers[place].ending == nil else { return .nobody }
        let stage = try self.place(of: workers[place].enrollment.stage)
        let held = workers[place].leases.sorted().compactMap { leases[$0] }
        workers[place].ending = ending
        let hadShard = disown(worker)
        guard ending.isSuspicious else {
            for lease in held { release(lease) }
            return .nobody
        }
        guard !held.isEmpty else {
            // A worker that only waited says nothing about its stage when it is killed.
            if ending == .killed, !hadShard { return .nobody }
            charge(stage, ending, by: worker, at: moment)
            return .stage
        }
        if ending.isOfTheStage {
            for lease in held { release(lease, suspect: stages[lease.stage].spec.takesAll ? 0 : nil) }
            charge(stage, ending, by: worker, at: moment)
            return .stage
        }
        let culprit = culprit.flatMap { item in held.contains { isHeld(item, by: $0) } ? item : nil }
        var account = DeathAccount.nobody
        for lease in held {
            if stages[lease.stage].spec.takesAll {
                release(lease, suspect: 0)
                charge(lease.stage, ending, by: worker, at: moment)
                account = .stage
            } else if lease.suspect == 1, held.count == 1, let item = self.held(by: lease).first {
                try charge(item, of: lease, ending, at: moment)
                account = .charged
            } else if let culprit, isHeld(culprit, by: lease) {
                release(lease, suspect: 0)
                queues[lease.queue].change(culprit, to: .ready) {
                    $0.suspect = 1
                    $0.isOffPath = true
                }
                account = .halved
            } else if culprit != nil {
                // It is in another lease of this worker.
                release(lease)
            } else {
                halve(lease)
                account = .halved
            }
        }
        return account
    }

    /// Charges the item that a worker had alone, and under suspicion, when it died.
    private mutating func charge(
        _ item: ItemID, of lease: MemoryLease, _ ending: WorkerEnding, at moment: MemoryMoment
    ) throws {
        let isDead: Bool
        if ending == .killed {
            let kills = (queues[lease.queue][item]?.kills ?? 0) + 1
            record(Failure(ending.reason), of: item, lease, at: moment)
            isDead = kills >= stages[lease.stage].spec.policy.retry.kills
            queues[lease.queue].change(item, to: isDead ? .dead : .ready) {
                $0.kills = kills
                $0.suspect = isDead ? 0 : 1
                $0.reason = isDead ? ending.reason(kills: kills) : nil
            }
        } else {
            isDead = fail(item, of: lease, Failure(ending.reason), suspect: 1, at: moment)
        }
        shrink(lease.id)
        guard isDead else { return }
        stages[lease.stage].settle(done: 0, dead: 1)
        try evaluateIfExhausted(lease.stage)
    }

    /// Frees the shards that a worker had; the epoch is raised when one is taken over.
    ///
    /// - Returns: whether it had any.
    private mutating func disown(_ worker: WorkerID) -> Bool {
        var hadShard = false
        for stage in stages.indices {
            for (name, shard) in stages[stage].shards where shard.owner == worker {
                stages[stage].shards[name]?.owner = nil
                hadShard = true
            }
        }
        return hadShard
    }

    /// Charges a stage with a failure that no single item is to blame for.
    mutating func charge(_ stage: Int, _ ending: WorkerEnding, by worker: WorkerID, at moment: MemoryMoment) {
        stages[stage].charge(ending)
        attempts.append(
            AttemptRecord(
                stage: stages[stage].spec.name, item: nil, worker: worker, failedAt: moment.wallClock,
                error: ending.stageReason, evidence: ending.evidence))
    }

    /// Keeps an item's failed attempt.
    mutating func record(_ failure: Failure, of item: ItemID, _ lease: MemoryLease, at moment: MemoryMoment) {
        attempts.append(
            AttemptRecord(
                stage: stages[lease.stage].spec.name, item: item, worker: lease.worker, failedAt: moment.wallClock,
                error: failure.reason, evidence: failure.evidence))
    }
}
