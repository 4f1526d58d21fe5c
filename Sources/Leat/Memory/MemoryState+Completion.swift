extension MemoryState: CompletionFacts {
    func hasCompletion(of stage: StageName, on queue: QueueName) throws -> Bool {
        let stage = stages[try place(of: stage)]
        // Who has shards tells its end with their last items; the others when the rule says so.
        return stage.shards.isEmpty ? stage.completions.contains(queue) : stage.areShardsComplete
    }

    func isSealed(_ queue: QueueName) throws -> Bool { queues[try place(of: queue)].isSealed }

    func isExhausted(_ queue: QueueName) throws -> Bool {
        queues[try place(of: queue)].counts.unsettled == 0
    }

    func isFailed(_ stage: StageSpec) throws -> Bool {
        let place = try place(of: stage.name)
        guard stages[place].trip == nil else { return true }
        guard let input = input(of: place) else { return false }
        let counts = queues[input].counts
        return !stage.policy.maxDead.allows(dead: counts[.dead], of: counts.settled)
    }

    func hasEnded(_ stage: StageName) throws -> Bool {
        let stage = stages[try place(of: stage)]
        // A stage that takes its items one by one, and only waits for others before, ends with its last item.
        return stage.hasEnded || (stage.spec.input != nil && !stage.spec.takesAll)
    }

    mutating func complete(_ stage: StageName, on queue: QueueName) throws {
        stages[try place(of: stage)].completions.insert(queue)
        try closeIfDue(queue)
    }
}

extension MemoryState {
    /// Closes a queue when all who feed it have told it their end.
    mutating func closeIfDue(_ queue: QueueName) throws {
        guard let plan else { return }
        queues[try place(of: queue)].isClosed = try CompletionRules.isClosed(queue, in: plan, self)
    }

    /// Writes the completions that are due, from a stage downwards or everywhere.
    mutating func evaluate(from stage: StageName? = nil) throws {
        guard let plan else { return }
        try CompletionRules.cascade(from: stage, in: plan, &self)
    }

    /// The same after items of a stage have settled. O(1) as long as there are others.
    mutating func evaluateIfExhausted(_ stage: Int) throws {
        guard let input = input(of: stage), queues[input].counts.unsettled == 0 else { return }
        try evaluate(from: stages[stage].spec.name)
    }

    /// Whether everything that the stage will ever receive is settled; of a stage without an input, whether it has run.
    func isSettled(_ stage: Int) throws -> Bool {
        let spec = stages[stage].spec
        guard spec.input != nil else {
            return spec.hasEnding ? stages[stage].hasEnded : stages[stage].areShardsComplete
        }
        guard let plan, let unit = plan.units.first(where: { $0.contains(spec.name) }) else { return false }
        return try CompletionRules.isSettled(unit, in: plan, self)
    }

    /// Whether it is complete, with or without errors.
    func isComplete(_ stage: Int) throws -> Bool {
        let spec = stages[stage].spec
        guard try isSettled(stage), try !isFailed(spec) else { return false }
        return try !spec.hasEnding || hasEnded(spec.name)
    }

    /// Whether all that it comes after is complete.
    func mayRun(_ stage: Int) throws -> Bool {
        try stages[stage].spec.after.allSatisfy { try isComplete(place(of: $0)) }
    }
}
