extension MemoryState {
    /// A worker's step: the fence, then everything else, or nothing.
    mutating func commit(_ step: Step, next: ClaimRequest?, at moment: MemoryMoment) throws -> Claim? {
        let lease = try fence(step)
        try check(step.outputs, of: lease.stage)
        if let next { try check(next) }

        apply(step.verdict, to: lease, at: moment)
        _ = try insert(step.outputs, of: lease.stage, at: moment)
        if step.endsStage, stages[lease.stage].spec.takesAll {
            stages[lease.stage].end()
        }
        try evaluateIfExhausted(lease.stage)
        return try next.map { try claim($0, at: moment) }
    }

    /// Steps under several leases: every fence first, then all of them, or nothing.
    mutating func commit(_ steps: [Step], at moment: MemoryMoment) throws {
        for step in steps {
            let lease = try fence(step)
            try check(step.outputs, of: lease.stage)
        }
        for step in steps { _ = try commit(step, next: nil, at: moment) }
    }

    /// Counts a step that came too late.
    ///
    /// - Throws: ``LeatError/Code/leaseLost`` unless the lease is the worker's and holds every item that is named.
    private mutating func fence(_ step: Step) throws -> MemoryLease {
        let stage = try place(of: step.stage)
        if let lease = leases[step.lease], lease.worker == step.worker, lease.stage == stage {
            switch step.verdict {
            case .done, .failedTogether, .failedWithOthers, .released: return lease
            case .each(let outcomes):
                if outcomes.keys.allSatisfy({ isHeld($0, by: lease) }) { return lease }
            }
        }
        stages[stage].refused += 1
        throw LeatError(
            .leaseLost,
            "Worker \(step.worker) of stage '\(step.stage)' can't commit under lease \(step.lease), which no longer holds its items; claim again."
        )
    }

    private mutating func apply(_ verdict: Verdict, to lease: MemoryLease, at moment: MemoryMoment) {
        let stage = lease.stage
        if case .failedTogether(let failure) = verdict, stages[stage].spec.takesAll {
            // Its input is one unit, so there is nothing to halve: the stage is to blame, as it is for a death.
            release(lease, suspect: 0)
            charge(stage, .failed(failure), by: lease.worker, at: moment)
            return
        }
        stages[stage].forgetCrashes()
        switch verdict {
        case .done:
            settle(held(by: lease).map { ($0, .done) }, of: lease, at: moment)
            // A whole input may be empty, and its lease with it.
            drop(lease.id)
        case .each(let outcomes):
            settle(outcomes.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }, of: lease, at: moment)
        case .released:
            release(lease)
        case .failedWithOthers(let failure):
            if failure.postponement != nil {
                settle(held(by: lease).map { ($0, .failed(failure)) }, of: lease, at: moment)
            } else {
                halve(lease)
            }
        case .failedTogether(let failure):
            if lease.remaining == 1 || failure.postponement != nil {
                settle(held(by: lease).map { ($0, .failed(failure)) }, of: lease, at: moment)
            } else {
                halve(lease)
            }
        }
    }

    /// Gives items their outcomes, counts them, and lets the breaker judge once.
    private mutating func settle(
        _ outcomes: [(ItemID, Outcome)], of lease: MemoryLease, at moment: MemoryMoment
    ) {
        var done: Int64 = 0
        var dead: Int64 = 0
        for (item, outcome) in outcomes {
            switch outcome {
            case .done:
                queues[lease.queue].change(item, to: .done)
                done += 1
            case .failed(let failure):
                if let delay = failure.postponement {
                    wait(delay, item, in: lease.queue, at: moment)
                } else if fail(item, of: lease, failure, suspect: 0, at: moment) {
                    dead += 1
                }
            case .released:
                queues[lease.queue].change(item, to: .ready) { $0.isOffPath = true }
            }
            shrink(lease.id)
        }
        stages[lease.stage].acknowledged += done
        stages[lease.stage].settle(done: done, dead: dead)
    }

    /// Spends one of an item's attempts: it backs off, or is dead.
    ///
    /// - Parameter suspect: the suspicion under which it comes back.
    /// - Returns: whether it is dead.
    mutating func fail(
        _ id: ItemID, of lease: MemoryLease, _ failure: Failure, suspect: Int, at moment: MemoryMoment
    ) -> Bool {
        record(failure, of: id, lease, at: moment)
        let retry = stages[lease.stage].spec.policy.retry
        let attempts = (queues[lease.queue][id]?.attempts ?? 0) + 1
        stages[lease.stage].failures += 1
        guard !failure.isPermanent, attempts < retry.attempts else {
            queues[lease.queue].change(id, to: .dead) {
                $0.attempts = attempts
                $0.suspect = 0
                $0.reason = failure.reason
            }
            return true
        }
        let delay = failure.delay(by: retry, after: attempts, chance: moment.chance())
        wait(delay, id, in: lease.queue, at: moment) {
            $0.attempts = attempts
            $0.suspect = suspect
        }
        return false
    }

    private mutating func wait(
        _ delay: Duration, _ id: ItemID, in queue: Int, at moment: MemoryMoment,
        edit: (inout MemoryItem) -> Void = { _ in }
    ) {
        let delay = delay.milliseconds
        queues[queue].change(id, to: delay > 0 ? .waiting : .ready) {
            edit(&$0)
            $0.isOffPath = true
            $0.visibleAt = moment.wallClock + delay
        }
    }
}
