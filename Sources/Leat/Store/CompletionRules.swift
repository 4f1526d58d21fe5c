/// The facts that completion is judged by, as a store finds them inside its transaction.
public protocol CompletionFacts {
    /// Whether a stage's shards have all written their completion rows for a queue.
    func hasCompletion(of stage: StageName, on queue: QueueName) throws -> Bool
    /// Whether the set of a queue's producers is complete: one that is not sealed never ends.
    func isSealed(_ queue: QueueName) throws -> Bool
    /// Nothing of the queue is ready, waiting or leased.
    func isExhausted(_ queue: QueueName) throws -> Bool
    /// Whether a trip, or more dead items than are tolerated, keeps the stage from ending.
    func isFailed(_ stage: StageSpec) throws -> Bool
    func hasEnded(_ stage: StageName) throws -> Bool
    /// Writes a stage's completion row for a queue, and closes the queue when it was the last.
    mutating func complete(_ stage: StageName, on queue: QueueName) throws
}

/// When a stage has written its last item.
///
/// Two events can make a stage settled: its last item settles, or its queue
/// closes. So whatever does either, or changes a tolerance, calls `cascade`
/// inside its own transaction; and since a crash may fall between, an idle worker
/// and `run` call it again.
public enum CompletionRules {
    /// A queue is closed when it is sealed, and every stage that feeds it has its completion.
    public static func isClosed(_ queue: QueueName, in plan: Plan, _ facts: some CompletionFacts) throws -> Bool {
        guard try facts.isSealed(queue) else { return false }
        return try plan.producers(of: queue).allSatisfy { try facts.hasCompletion(of: $0.name, on: queue) }
    }

    /// Whether everything that a unit (a stage, or a cycle as one) will ever receive is settled.
    ///
    /// Of a cycle: its outside inputs are closed and no member queue has an unsettled item.
    public static func isSettled(_ unit: [StageName], in plan: Plan, _ facts: some CompletionFacts) throws -> Bool {
        for name in unit {
            guard let stage = plan.stage(name), let input = stage.input, try facts.isSealed(input) else { return false }
            for producer in plan.producers(of: input) where !unit.contains(producer.name) {
                guard try facts.hasCompletion(of: producer.name, on: input) else { return false }
            }
            guard try facts.isExhausted(input) else { return false }
        }
        return true
    }

    /// Writes every completion row that has become due, downstream in topological order.
    ///
    /// - Parameters:
    ///   - start: the stage whose input settled or closed; `nil` looks at all of them.
    ///   - plan: whose units stand in topological order.
    ///   - facts: as they are in the transaction that this is part of.
    public static func cascade(
        from start: StageName? = nil, in plan: Plan, _ facts: inout some CompletionFacts
    ) throws {
        var isReached = start == nil
        for unit in plan.units {
            isReached = isReached || unit.contains { $0 == start }
            guard isReached else { continue }
            let stages = unit.compactMap(plan.stage)
            // A stage without outputs has nobody to tell; a shard tells its own end.
            guard stages.contains(where: { !$0.outputs.isEmpty }), stages.allSatisfy({ $0.input != nil }) else {
                continue
            }
            var isTold = true
            for stage in stages {
                for queue in stage.outputs where isTold {
                    isTold = try facts.hasCompletion(of: stage.name, on: queue)
                }
            }
            if isTold { continue }
            guard try isSettled(unit, in: plan, facts) else { continue }
            var mayEnd = true
            for stage in stages where mayEnd {
                mayEnd = try !facts.isFailed(stage)
                if mayEnd, stage.hasEnding { mayEnd = try facts.hasEnded(stage.name) }
            }
            guard mayEnd else { continue }
            for stage in stages {
                for queue in stage.outputs where try !facts.hasCompletion(of: stage.name, on: queue) {
                    try facts.complete(stage.name, on: queue)
                }
            }
        }
    }
}
