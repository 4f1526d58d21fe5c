internal import Leat

/// A lease as its row tells.
struct HeldLease {
    let id: LeaseID
    let queue: QueueName
    let lo: Int64?
    let hi: Int64?
    let items: Int
    /// How many items it was claimed with.
    let taken: Int
    /// Above 0: the largest batch in which its items may be claimed.
    let suspect: Int
    let claims: Int
    /// `nil`: an orphan.
    let worker: WorkerID?

    /// Whether its item was alone under suspicion from the claim on, so that it can be to blame for a death.
    var isLoneSuspect: Bool { suspect > 0 && taken == 1 }
    /// The batch size in which its items may be claimed once the whole has failed.
    var halved: Int { max(1, (items + 1) / 2) }
}

/// The row of an item off the straight path, or what such a row would hold.
struct ItemRow {
    var claims: Int
    var attempts: Int = 0
    var kills: Int = 0
    var suspect: Int = 0
    var priority: Int = 0
    var generation: Int = 0
}

/// Committing: the fence, the verdict, the outputs, the counts, and what follows from them.
extension Transaction {
    /// A step, and the claim that follows it.
    func commit(_ step: Step, next: ClaimRequest?) throws -> Claimed? {
        try apply(step)
        let claim = try claimNext(next)
        try tellReady(in: stage(step.stage).input)
        return claim
    }

    /// Applies a step whose fence stands.
    func apply(_ step: Step) throws {
        let (stage, queue) = try stageAndInput(step.stage)
        let lease = try fence(step.lease, step.worker, queue)
        // Of a failure that is charged to the stage nothing is to be counted as good.
        var isGood = true
        var counts = Settled()
        switch step.verdict {
        case .done:
            counts.done = lease.items
            try end(lease)
            if lease.items == 0 { try fenceEmptyInput(step, queue) }
        case .each(let outcomes): counts = try settle(outcomes, of: lease, stage, by: step.worker)
        case .failedTogether(let failure) where stage.takesAll:
            // Its input is one unit: there is no part of it to suspect.
            try orphan(lease, suspect: 0)
            try chargeStage(stage, .failed(failure), step.worker)
            isGood = false
        case .failedTogether(let failure):
            if lease.items == 1 {
                counts = try settle(
                    [soleItem(of: lease): .failed(failure)], of: lease, stage, by: step.worker)
            } else if failure.postponement != nil {
                let all = try items(of: lease).map { ($0, Outcome.failed(failure)) }
                counts = try settle(Dictionary(uniqueKeysWithValues: all), of: lease, stage, by: step.worker)
            } else {
                try orphan(lease, suspect: lease.halved)
            }
        case .failedWithOthers(let failure):
            if failure.postponement != nil {
                let all = try items(of: lease).map { ($0, Outcome.failed(failure)) }
                counts = try settle(Dictionary(uniqueKeysWithValues: all), of: lease, stage, by: step.worker)
            } else {
                try orphan(lease, suspect: lease.halved)
            }
        case .released: try orphan(lease, suspect: nil)
        }
        if isGood { try count(counts, stage) }
        try put(step.outputs, from: stage)
        if step.endsStage { try writeEnding(stage.name) }
        try tellRoom(in: queue, of: stage)
        try settled(stage, queue)
    }

    /// Before anything else: the lease must still be this worker's. A worker that lost it changes nothing.
    func fence(_ lease: LeaseID, _ worker: WorkerID, _ queue: QueueName) throws -> HeldLease {
        let held = try sql(Self.fenceQuery).first(.id(lease), .id(worker), .text(queue.rawValue)) { row in
            HeldLease(
                id: lease, queue: queue, lo: row.optionalInt(0), hi: row.optionalInt(1), items: Int(row.int(2)),
                taken: Int(row.int(3)), suspect: Int(row.int(4)), claims: Int(row.int(5)), worker: worker)
        }
        guard let held else {
            throw LeatError(
                .leaseLost,
                "Lease \(lease) on queue '\(queue)' is no longer held by worker \(worker), so nothing of this step was committed; its items were settled, or are with another worker."
            )
        }
        return held
    }

    /// A whole input that was empty may have been opened again, and then this was not the whole.
    private func fenceEmptyInput(_ step: Step, _ queue: QueueName) throws {
        guard try isClosed(queue), try isExhausted(queue) else {
            throw LeatError(
                .leaseLost,
                "Queue '\(queue)' was empty, and has items since, so nothing of this step of stage '\(step.stage)' was committed."
            )
        }
    }

    /// What a step settled.
    struct Settled {
        var done = 0
        var dead = 0
        var failures = 0
    }

    /// Gives each named item its outcome. The items must be the lease's; if they are all of them, it ends.
    func settle(
        _ outcomes: [ItemID: Outcome], of lease: HeldLease, _ stage: StageSpec, by worker: WorkerID
    ) throws -> Settled {
        var settled = Settled()
        let isWhole = outcomes.count == lease.items
        for id in outcomes.keys.sorted() {
            let row = try held(id, lease)
            switch outcomes[id] {
            case nil: break
            case .done:
                settled.done += 1
                // When the lease ends with this step, its end tells that what it covers is done.
                if !isWhole { try writeDone(id, row, lease) }
            case .released: try write(id, "ready", row.values, queue: lease.queue)
            case .failed(let failure):
                if let delay = failure.postponement {
                    try wait(delay, id, row.values, reason: failure.reason, lease.queue)
                    continue
                }
                settled.failures += 1
                var values = row.values
                values.attempts += 1
                values.suspect = 0
                let isDead = failure.isPermanent || values.attempts >= stage.policy.retry.attempts
                if isDead { settled.dead += 1 }
                try recordFailure(failure, stage: stage, queue: lease.queue, item: id, worker: worker)
                try retryOrBury(id, values, isDead: isDead, failure, stage, lease.queue)
            }
        }
        if isWhole { try end(lease) } else { try shrink(lease, by: outcomes.count) }
        return settled
    }

    /// Back-off from the stage's policy or the failure's own, or the end of the item's attempts.
    func retryOrBury(
        _ id: ItemID, _ values: ItemRow, isDead: Bool, _ failure: Failure, _ stage: StageSpec, _ queue: QueueName
    ) throws {
        if isDead { return try write(id, "dead", values, reason: failure.reason, queue: queue) }
        let delay = failure.delay(by: stage.policy.retry, after: values.attempts, chance: time.chance)
        try wait(delay, id, values, reason: failure.reason, queue)
    }

    private func wait(
        _ delay: Duration, _ id: ItemID, _ values: ItemRow, reason: String, _ queue: QueueName
    ) throws {
        let delay = delay.milliseconds
        try write(
            id, delay > 0 ? "waiting" : "ready", values, visibleAt: delay > 0 ? now + delay : nil, reason: reason,
            queue: queue)
    }

    /// An item of a lease: in its range without a row, or by a row that names the lease.
    struct HeldItem {
        let hasRow: Bool
        let values: ItemRow
    }

    func held(_ id: ItemID, _ lease: HeldLease) throws -> HeldItem {
        let row = try sql(Self.rowQuery, lease.queue).first(.id(id)) { row in
            (lease: row.optionalInt(0), values: Self.values(row, from: 1))
        }
        if let row {
            guard row.lease == lease.id.rawValue else { throw notHeld(id, lease) }
            return HeldItem(hasRow: true, values: row.values)
        }
        guard let lo = lease.lo, let hi = lease.hi, (lo...hi).contains(id.rawValue),
            try exists(id, in: lease.queue)
        else { throw notHeld(id, lease) }
        return HeldItem(hasRow: false, values: ItemRow(claims: lease.claims, suspect: lease.suspect))
    }

    func exists(_ id: ItemID, in queue: QueueName) throws -> Bool {
        try sql(Self.existsQuery, queue).first(.id(id), body: { _ in true }) ?? false
    }

    private func notHeld(_ id: ItemID, _ lease: HeldLease) -> LeatError {
        LeatError(
            .leaseLost,
            "Item \(id) of queue '\(lease.queue)' is not held by lease \(lease.id), so nothing of this step was committed."
        )
    }

    static func values(_ row: SQLRow, from column: Int32) -> ItemRow {
        ItemRow(
            claims: Int(row.int(column)), attempts: Int(row.int(column + 1)), kills: Int(row.int(column + 2)),
            suspect: Int(row.int(column + 3)), priority: Int(row.int(column + 4)),
            generation: Int(row.int(column + 5)))
    }

    /// All items of a lease.
    private func items(of lease: HeldLease) throws -> [ItemID] {
        var items: [ItemID] = []
        try sql(Self.leasedRowsQuery, lease.queue).each(.id(lease.id)) { items.append(ItemID($0.int(0))) }
        if let lo = lease.lo, let hi = lease.hi {
            items += try pathItems(lease.queue, from: lo, to: hi, limit: lease.items, claims: 0).map(\.id)
        }
        return items
    }

    /// The one item of a lease that holds one.
    func soleItem(of lease: HeldLease) throws -> ItemID {
        if let id = try sql(Self.leasedRowsQuery, lease.queue).first(.id(lease.id), body: { $0.int(0) }) {
            return ItemID(id)
        }
        if let lo = lease.lo, let hi = lease.hi,
            let item = try pathItems(lease.queue, from: lo, to: hi, limit: 1, claims: 0).first
        {
            return item.id
        }
        throw LeatError(.storeFailed, "Lease \(lease.id) of queue '\(lease.queue)' holds no item; run verify.")
    }

    /// Writes the row of an item: it is off the straight path from here on.
    func write(
        _ id: ItemID, _ state: String, _ values: ItemRow, visibleAt: Int64? = nil, reason: String? = nil,
        queue: QueueName
    ) throws {
        // Who waits may have to look out for another time.
        if state == "ready" || state == "waiting" { rings.work(in: queue) }
        hasNewRow(queue)
        try sql(Self.writeQuery, queue).run(
            .id(id), .text(state), .int(values.claims), .int(values.attempts), .int(values.kills),
            .int(values.suspect), .int(values.priority), .optional(visibleAt), .int(values.generation),
            .optional(reason))
    }

    /// An item of the queue has left the straight path.
    func hasNewRow(_ queue: QueueName) { sql.rowless.removeAll { $0 == queue } }

    /// Adds to the stage's counts and lets the breaker judge. A good step, whatever its verdict, clears the crash budget.
    func count(_ settled: Settled, _ stage: StageSpec) throws {
        guard settled.dead > 0 else {
            try sql(Self.countQuery).run(
                .text(stage.name.rawValue), .int(settled.done), .int(settled.failures),
                .int(stage.policy.breaker.window))
            return
        }
        var counts = try breakerCounts(stage.name)
        counts.settle(done: Int64(settled.done), dead: Int64(settled.dead), window: stage.policy.breaker.window)
        try sql(Self.countDeadQuery).run(
            .text(stage.name.rawValue), .int(settled.done), .int(settled.failures), .int(counts.settled),
            .int(counts.dead), .int(counts.windowSettled), .int(counts.windowDead))
        if let reason = stage.policy.breaker.verdict(on: counts) { try trip(stage.name, reason) }
    }

    private func breakerCounts(_ stage: StageName) throws -> BreakerCounts {
        try sql(Self.breakerQuery).first(.text(stage.rawValue)) { row in
            BreakerCounts(settled: row.int(0), dead: row.int(1), windowSettled: row.int(2), windowDead: row.int(3))
        } ?? BreakerCounts()
    }

    /// Stores that a stage hands out nothing more. The first reason stands.
    func trip(_ stage: StageName, _ reason: String) throws {
        try sql(Self.tripQuery).run(.text(stage.rawValue), .text(reason), .int(now))
        if let input = try self.stage(stage).input { rings.end(of: input) }
    }

    func recordFailure(
        _ failure: Failure, stage: StageSpec, queue: QueueName?, item: ItemID?, worker: WorkerID
    ) throws {
        let evidence = failure.evidence
        try sql(Self.attemptQuery).run(
            .text(stage.name.rawValue), .optional(queue?.rawValue), .optional(item?.rawValue), .id(worker), .int(now),
            .text(failure.reason), .optional(evidence?.exitStatus.map(Int64.init)),
            .optional(evidence?.duration?.milliseconds), .optional(evidence?.errorOutput))
    }
}

extension Transaction {
    static let fenceQuery = Query(
        """
        SELECT lo, hi, items, taken, suspect, claims FROM leat_leases
        WHERE queue = ?3 AND worker = ?2 AND id = ?1
        """)

    private static let existsQuery = Query("SELECT 1 FROM q_{name} WHERE id = ?1")
    static let rowQuery = Query(
        "SELECT lease, claims, attempts, kills, suspect, priority, generation FROM qs_{name} WHERE id = ?1")

    // qs_…_leased
    static let leasedRowsQuery = Query("SELECT id, generation FROM qs_{name} WHERE state = 'leased' AND lease = ?1")

    private static let writeQuery = Query(
        """
        INSERT INTO qs_{name}
            (id, state, claims, attempts, kills, suspect, priority, visible_at, generation, reason)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
        ON CONFLICT (id) DO UPDATE SET
            state = ?2, claims = ?3, attempts = ?4, kills = ?5, suspect = ?6, priority = ?7, visible_at = ?8,
            generation = ?9, reason = ?10, lease = NULL, due_at = NULL
        """)

    private static let countQuery = Query(
        """
        UPDATE leat_counts SET
            acknowledged = acknowledged + ?2, failures = failures + ?3, crashes = 0, kills = 0,
            settled = settled + ?2,
            window_settled = CASE WHEN window_settled >= ?4 THEN 0 ELSE window_settled END + ?2,
            window_dead = CASE WHEN window_settled >= ?4 THEN 0 ELSE window_dead END
        WHERE stage = ?1
        """)
    private static let countDeadQuery = Query(
        """
        UPDATE leat_counts SET
            acknowledged = acknowledged + ?2, failures = failures + ?3, crashes = 0, kills = 0,
            settled = ?4, dead = ?5, window_settled = ?6, window_dead = ?7
        WHERE stage = ?1
        """)
    private static let breakerQuery = Query(
        "SELECT settled, dead, window_settled, window_dead FROM leat_counts WHERE stage = ?1")
    private static let tripQuery = Query(
        "INSERT INTO leat_trips (stage, reason, tripped_at) VALUES (?1, ?2, ?3) ON CONFLICT (stage) DO NOTHING")
    private static let attemptQuery = Query(
        """
        INSERT INTO leat_attempts
            (stage, queue, item, worker, failed_at, error, exit_status, duration_ms, error_output)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
        """)
}
