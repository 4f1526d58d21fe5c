internal import Leat

extension ModelState {
    func hasTold(_ stage: StageSpec, _ queue: QueueName) -> Bool {
        if stage.input == nil { return shards.allSatisfy { $0.id.stage != stage.name || $0.isComplete } }
        return stages[stage.name]!.told.contains(queue)
    }

    func isClosed(_ queue: QueueName) -> Bool { feeders[queue, default: []].allSatisfy { hasTold($0, queue) } }

    func unit(of stage: StageName) -> [StageSpec] { units[stage, default: []] }

    /// Nothing more will ever happen to the unit's inputs.
    func isSettled(_ unit: [StageSpec]) -> Bool {
        unit.allSatisfy { stage in
            guard let input = stage.input else { return false }
            let outside = feeders[input, default: []].filter { feeder in !unit.contains { $0.name == feeder.name } }
            return outside.allSatisfy { hasTold($0, input) } && queues[input, default: []].allSatisfy(\.isSettled)
        }
    }

    func isFailed(_ stage: StageSpec) -> Bool {
        if stages[stage.name]!.trip != nil { return true }
        guard let input = stage.input, isSettled(unit(of: stage.name)) else { return false }
        let items = queues[input, default: []]
        let dead = items.count { $0.fate == .dead }
        switch stage.policy.maxDead {
        case .any: return false
        case .atMost(let limit): return dead > limit
        case .percent(let share): return dead > 0 && Double(dead * 100) > share * Double(items.count)
        }
    }

    /// Whether a stage has ended well, so that what comes after it may run.
    func isComplete(_ stage: StageSpec) -> Bool {
        if isFailed(stage) { return false }
        if stage.input == nil { return shards.allSatisfy { $0.id.stage != stage.name || $0.isComplete } }
        return isSettled(unit(of: stage.name)) && (!stage.takesAll || stages[stage.name]!.hasEnded)
    }

    /// Tells every end that is due, until none is.
    mutating func complete() {
        var isChanged = true
        while isChanged {
            isChanged = false
            for stage in plan.stages where stage.input != nil && !stage.outputs.isEmpty {
                let unit = unit(of: stage.name)
                guard isSettled(unit), !unit.contains(where: isFailed) else { continue }
                guard unit.allSatisfy({ !$0.takesAll || stages[$0.name]!.hasEnded }) else { continue }
                for queue in stage.outputs where stages[stage.name]!.told.insert(queue).inserted { isChanged = true }
            }
        }
    }

    /// The words that may describe a stage.
    ///
    /// More than one where the rules leave it open: a stage that waits for an end has work that it can't begin yet, a
    /// member of a cycle whose fellow has failed is settled and yet not told.
    func words(for stage: StageSpec) -> Set<StageState> {
        let facts = stages[stage.name]!
        let hasDead = !deadItems(of: stage).isEmpty
        let complete: StageState = hasDead ? .completeWithErrors : .complete
        if stage.kind == .producer {
            let isOver = isComplete(stage) || shards.allSatisfy { $0.id.stage != stage.name || $0.isComplete }
            if facts.trip != nil { return isOver ? [.failed, .complete] : [.failed] }
            if isOver { return [.complete] }
            return [liveWorkers(of: stage.name).isEmpty ? .ready : .running]
        }
        if isFailed(stage) { return [.failed] }
        let isCut = isBehindFailure(stage)
        if isComplete(stage) {
            let isFellowFailed = unit(of: stage.name).contains(where: isFailed)
            return isFellowFailed ? [complete, .blocked] : [complete]
        }
        if stage.hasEnding {
            if facts.endedOnce, !facts.hasEnded { return isCut ? [.stale, .blocked] : [.stale] }
            return isCut ? [.blocked, .running, .ready, .waiting] : [.running, .ready, .waiting]
        }
        let hasWork = queues[stage.input!, default: []].contains { !$0.isSettled }
        if hasWork { return [liveWorkers(of: stage.name).isEmpty ? .ready : .running] }
        return [isCut ? .blocked : .waiting]
    }

    private func isBehindFailure(_ stage: StageSpec) -> Bool {
        plan.stages.contains { other in
            other.name != stage.name && downstream[other.name, default: []].contains { $0.name == stage.name }
                && isFailed(other)
        }
    }
}
