extension MemoryState {
    /// What a new run orders: every trip and crash budget is cleared.
    mutating func begin() throws {
        for stage in stages.indices { stages[stage].clear() }
        try evaluate()
    }

    mutating func prune(upTo limit: Int, at moment: MemoryMoment) -> Int {
        stages.indices.reduce(0) { sum, stage in
            guard let queue = input(of: stage),
                let cutoff = stages[stage].spec.policy.keep.cutoff(at: moment.wallClock)
            else { return sum }
            return sum + queues[queue].prune(putBy: cutoff, upTo: limit)
        }
    }

    mutating func restart(_ stage: StageName) throws {
        stages[try place(of: stage)].clear()
        try evaluate(from: stage)
    }

    /// Makes dead items ready with a fresh budget, and reopens what follows.
    ///
    /// - Returns: how many.
    mutating func retry(_ name: StageName) throws -> Int {
        let stage = try place(of: name)
        let queue = input(of: stage)
        let dead = queue.map { queues[$0].ids(in: .dead) } ?? []
        if !dead.isEmpty {
            let reopened = try [stage] + (plan?.downstream(of: name) ?? []).map { try place(of: $0.name) }
            try refuseAfterPassedOn(reopened, "The \(dead.count) dead items of stage '\(name)' can't be retried")
            for other in reopened { try reopen(other) }
        }
        stages[stage].clear()
        if let queue {
            for item in dead {
                queues[queue].change(item, to: .ready) {
                    $0.attempts = 0
                    $0.kills = 0
                    $0.suspect = 0
                    $0.reason = nil
                    $0.isOffPath = true
                }
            }
        }
        try evaluate(from: name)
        return dead.count
    }

    /// What was made of a whole input and passed on can't be taken back.
    func refuseAfterPassedOn(_ reopened: [Int], _ what: String) throws {
        for other in reopened where stages[other].hasEnded && !stages[other].spec.outputs.isEmpty {
            throw LeatError(
                .refused,
                "\(what): stage '\(stages[other].spec.name)' has run on its whole input, and its outputs have been passed on; start a new run."
            )
        }
    }

    /// Takes back what a stage has told of its end, and what is being done on the strength of an end that is no more.
    mutating func reopen(_ stage: Int) throws {
        stages[stage].completions = []
        if stages[stage].spec.takesAll {
            for lease in leases.values where lease.stage == stage { release(lease) }
        } else if stages[stage].spec.hasEnding {
            for name in stages[stage].shards.keys {
                stages[stage].shards[name]?.owner = nil
                guard stages[stage].hasEnded else { continue }
                stages[stage].shards[name]?.isComplete = false
                stages[stage].shards[name]?.cursor = nil
            }
        }
        stages[stage].hasEnded = false
        for queue in stages[stage].spec.outputs { try closeIfDue(queue) }
    }

    /// Settles an item without effect.
    mutating func skip(_ item: ItemID, of name: StageName) throws {
        let stage = try place(of: name)
        guard let queue = input(of: stage), let found = queues[queue][item] else {
            throw LeatError(
                .notFound, "Item \(item) of stage '\(name)' can't be skipped: there is none of that number.")
        }
        guard !found.state.isSettled || found.state == .dead else {
            throw LeatError(
                .refused,
                "Item \(item) of stage '\(name)' can't be skipped: it is \(found.state.rawValue) already."
            )
        }
        if let lease = found.lease.flatMap({ leases[$0] }) { release(lease) }
        queues[queue].change(item, to: .skipped)
        try evaluateIfExhausted(stage)
    }
}
