internal import Leat

/// What keeps a stage from claiming although there is something: full queues after it, and its rate.
extension Transaction {
    /// The claim that rides in a commit. With too little room on the disk it is left out, so that it does not undo the
    /// commit: the worker claims alone, and learns why.
    func claimNext(_ request: ClaimRequest?) throws -> Claimed? {
        guard let request, store.space?.shortage(at: store.time.instant) == nil else { return nil }
        return try claim(request)
    }

    /// A queue that the stage puts into and that holds as much as it may.
    func fullOutput(of stage: StageSpec) throws -> QueueName? {
        guard !stage.outputs.isEmpty else { return nil }
        for output in try plan().boundedOutputs(of: stage) {
            let depth = try depth(of: output.queue, upTo: output.capacity, countingHeld: output.countsHeld)
            if depth >= output.capacity { return output.queue }
        }
        return nil
    }

    func isFull(_ queue: QueueName) throws -> Bool {
        let taker = try taker(of: queue).policy
        // Nobody is to wait for room in what takes nothing more.
        guard let capacity = taker.capacity, try !isClosed(queue) else { return false }
        return try depth(of: queue, upTo: capacity, countingHeld: taker.countsHeld) >= capacity
    }

    /// How many unsettled items a queue holds, counted up to what matters.
    ///
    /// - Parameter countingHeld: whether what is held counts, and what is behind that in its group: to who works on windows
    ///   neither does, since he waits for more.
    private func depth(of queue: QueueName, upTo limit: Int, countingHeld: Bool) throws -> Int {
        try sql(Self.depthQuery, queue).first(.text(queue.rawValue), .int(limit), .int(countingHeld ? 1 : 0)) {
            Int($0.int(0))
        } ?? 0
    }

    /// Tells those who wait for room in the stage's input, once it is half empty: at each item they would come and go.
    func tellRoom(in queue: QueueName, of stage: StageSpec) throws {
        guard let capacity = stage.policy.capacity else { return }
        let depth = try depth(of: queue, upTo: capacity, countingHeld: stage.policy.countsHeld)
        if depth <= capacity / 2 { rings.room(in: queue) }
    }

    /// How many items the stage may begin now, or how long it has to wait.
    func allowance(of stage: StageSpec) throws -> (items: Int, wait: Duration) {
        guard let rate = stage.policy.rate else { return (.max, .zero) }
        return rate.allowance(try account(of: stage), at: time.instant, boot: time.bootID)
    }

    func spend(_ items: Int, of stage: StageSpec) throws {
        guard let rate = stage.policy.rate else { return }
        let account = rate.spending(items, try account(of: stage), at: time.instant, boot: time.bootID)
        try sql(Self.spendQuery).run(
            .text(stage.name.rawValue), .int(account.spentUntil), .text(account.boot))
    }

    private func account(of stage: StageSpec) throws -> RateAccount? {
        try sql(Self.accountQuery).first(.text(stage.name.rawValue)) {
            RateAccount(spentUntil: $0.int(0), boot: $0.text(1))
        }
    }

    // Rowids, leat_leases by its key, and a partial index a state.
    static let depthQuery = Query(
        """
        SELECT
            max(0, (SELECT coalesce(max(id), 0) FROM q_{name}) - q.frontier + 1)
                - (SELECT count(*) FROM qs_{name} WHERE id >= q.frontier)
                + (
                    SELECT coalesce(sum(items), 0) FROM leat_leases
                    WHERE queue = q.name AND (worker = 0 OR ?3)
                )
                + (SELECT count(*) FROM (SELECT 1 FROM qs_{name} WHERE state = 'ready' LIMIT ?2))
                + (
                    SELECT count(*) FROM (
                        SELECT 1 FROM qs_{name} WHERE state = 'waiting' AND (?3 OR visible_at IS NOT NULL) LIMIT ?2
                    )
                )
        FROM leat_queues AS q
        WHERE q.name = ?1
        """)
    private static let accountQuery = Query("SELECT spent_until, boot FROM leat_rates WHERE stage = ?1")
    private static let spendQuery = Query(
        """
        INSERT INTO leat_rates (stage, spent_until, boot) VALUES (?1, ?2, ?3)
        ON CONFLICT (stage) DO UPDATE SET spent_until = ?2, boot = ?3
        """)
}
