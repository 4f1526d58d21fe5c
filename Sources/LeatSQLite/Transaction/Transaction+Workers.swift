internal import Leat

/// Workers: enrolling, heartbeats, and whom a death is charged to.
extension Transaction {
    func enroll(_ enrollment: Enrollment) throws -> WorkerID {
        _ = try stage(enrollment.stage)
        try sql(Self.enrollQuery).run(
            .text(enrollment.stage.rawValue), .int(Int64(enrollment.pid)),
            .optional(enrollment.supervisor.map(Int64.init)), .text(time.bootID),
            .optional(enrollment.sign == .heartbeat ? expiry(after: store.terms.duration) : nil), .int(now),
            .optional(enrollment.sign == .heartbeat ? store.terms.duration.milliseconds : nil),
            .optional(enrollment.log))
        return WorkerID(sql.lastInsertedID)
    }

    func beat(_ worker: WorkerID) throws -> Bool {
        try sql(Self.beatQuery).run(.id(worker), .int(expiry(after: store.terms.duration)), .int(now))
        return sql.changes > 0
    }

    func isLive(_ worker: WorkerID) throws -> Bool {
        try sql(Self.liveQuery).first(.id(worker), body: { _ in true }) ?? false
    }

    /// Whether a worker's lease is over by the clock, now that the lock is held.
    func isSilent(_ worker: WorkerID) throws -> Bool {
        try sql(Self.silentQuery).first(.id(worker), .text(time.bootID), .int(time.instant), body: { _ in true })
            ?? false
    }

    /// Hands back what a worker held, and finds whom its death is charged to.
    ///
    /// Only an item that was alone under suspicion from its claim on, in the hands of a worker that held nothing else,
    /// is charged; any other batch is halved, so that the culprit will stand alone.
    ///
    /// - Parameter isAlone: whether its process is known to have had nothing else in hand.
    func end(
        _ worker: WorkerID, _ ending: WorkerEnding, culprit: ItemID? = nil, isAlone: Bool = true
    ) throws -> DeathAccount {
        let name = try sql(Self.stageQuery).first(.id(worker)) { StageName(unchecked: $0.text(0)) }
        guard let name else { return .nobody }
        let stage = try stage(name)
        let leases = try stage.input.map { try self.leases(of: worker, on: $0) } ?? []
        try sql(Self.endQuery).run(.id(worker), .int(now), .text(ending.word))
        try sql(Self.freeShardsQuery).run(.id(worker))
        let hadShard = sql.changes > 0
        guard ending.isSuspicious else {
            try orphan(leases) { _ in nil }
            return .nobody
        }
        guard !leases.isEmpty else {
            // A worker that only waited says nothing about its stage when it is killed.
            if ending == .killed, !hadShard { return .nobody }
            try chargeStage(stage, ending, worker)
            return .stage
        }
        if stage.takesAll || ending.isOfTheStage {
            // A whole input is one unit: there is no part of it to suspect. Of a failure of the stage's own nobody is.
            try orphan(leases) { _ in stage.takesAll ? 0 : nil }
            try chargeStage(stage, ending, worker)
            return .stage
        }
        if isAlone, let lease = leases.first, leases.count == 1, lease.isLoneSuspect {
            try charge(try soleItem(of: lease), of: lease, stage, worker, ending)
            return .charged
        }
        var innocent = leases
        if let culprit, let place = try leases.firstIndex(where: { try isHeld(culprit, $0) }) {
            try isolate(culprit, of: innocent.remove(at: place))
        }
        try orphan(innocent) { culprit == nil ? $0.halved : nil }
        return .halved
    }

    private func isHeld(_ item: ItemID, _ lease: HeldLease) throws -> Bool {
        do {
            _ = try held(item, lease)
            return true
        } catch let error as LeatError where error.code == .leaseLost {
            return false
        }
    }

    /// The item that was in hand is put under suspicion alone; the others are handed back without any.
    private func isolate(_ item: ItemID, of lease: HeldLease) throws {
        var values = try held(item, lease).values
        values.suspect = 1
        try write(item, "ready", values, queue: lease.queue)
        guard lease.items > 1 else { return try end(lease) }
        try shrink(lease, by: 1)
        if let rest = try self.lease(lease.id, on: lease.queue) { try orphan(rest, suspect: nil) }
    }

    private func charge(
        _ item: ItemID, of lease: HeldLease, _ stage: StageSpec, _ worker: WorkerID, _ ending: WorkerEnding
    ) throws {
        var values = try held(item, lease).values
        values.suspect = 1
        var settled = Settled()
        if ending == .killed {
            values.kills += 1
            let isDead = values.kills >= stage.policy.retry.kills
            settled.dead = isDead ? 1 : 0
            try write(
                item, isDead ? "dead" : "ready", values, reason: ending.reason(kills: values.kills), queue: lease.queue)
        } else {
            values.attempts += 1
            settled.failures = 1
            let isDead = values.attempts >= stage.policy.retry.attempts
            settled.dead = isDead ? 1 : 0
            try retryOrBury(item, values, isDead: isDead, Failure(ending.reason), stage, lease.queue)
        }
        try recordFailure(Failure(ending.reason), stage: stage, queue: lease.queue, item: item, worker: worker)
        try end(lease)
        try count(settled, stage)
        try self.settled(stage, lease.queue)
        try tellReady(in: lease.queue)
    }

    /// A failure that no item is to blame for. Too many in a row trip the stage; SIGKILL has a budget of its own.
    func chargeStage(_ stage: StageSpec, _ ending: WorkerEnding, _ worker: WorkerID) throws {
        let isKill = ending == .killed
        try sql(isKill ? Self.countKillQuery : Self.countCrashQuery).run(.text(stage.name.rawValue))
        try recordFailure(
            Failure(ending.stageReason, evidence: ending.evidence), stage: stage, queue: nil, item: nil, worker: worker)
        let count = try sql(isKill ? Self.killsQuery : Self.crashesQuery).first(.text(stage.name.rawValue)) {
            Int($0.int(0))
        }
        let budget = isKill ? stage.policy.retry.kills : stage.policy.crashes
        guard let count, count >= budget || ending.isPermanent else { return }
        try trip(stage.name, ending.tripReason(after: count))
    }

    private static let enrollQuery = Query(
        """
        INSERT INTO leat_workers (stage, pid, supervisor, boot, expires_at, started_at, seen_at, lease_ms, log)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8)
        """)
    private static let beatQuery = Query(
        "UPDATE leat_workers SET expires_at = ?2, seen_at = ?3 WHERE id = ?1 AND ended_at IS NULL")
    private static let liveQuery = Query("SELECT 1 FROM leat_workers WHERE id = ?1 AND ended_at IS NULL")
    private static let silentQuery = Query(
        "SELECT 1 FROM leat_workers WHERE id = ?1 AND ended_at IS NULL AND boot = ?2 AND expires_at < ?3")
    private static let stageQuery = Query("SELECT stage FROM leat_workers WHERE id = ?1 AND ended_at IS NULL")
    private static let endQuery = Query("UPDATE leat_workers SET ended_at = ?2, ending = ?3 WHERE id = ?1")
    private static let freeShardsQuery = Query("UPDATE leat_producers SET owner = NULL WHERE owner = ?1")
    private static let countKillQuery = Query("UPDATE leat_counts SET kills = kills + 1 WHERE stage = ?1")
    private static let countCrashQuery = Query(
        "UPDATE leat_counts SET crashes = crashes + 1, failures = failures + 1 WHERE stage = ?1")
    private static let killsQuery = Query("SELECT kills FROM leat_counts WHERE stage = ?1")
    private static let crashesQuery = Query("SELECT crashes FROM leat_counts WHERE stage = ?1")
}
