extension MemoryState {
    mutating func claim(_ request: ClaimRequest, at moment: MemoryMoment) throws -> Claim {
        let (stage, queue, worker) = try check(request)
        handBackExpired(queue, at: moment)
        if let trip = stages[stage].trip { return .refused(reason: trip) }
        let held = workers[worker].leases
        let isOwn = stages[stage].spec.kind == .queue
        let isIntended = request.holding == .isIntended
        // A suspect is alone with its worker, so that a death can be charged to it.
        if held.contains(where: { leases[$0].map { $0.suspect > 0 } ?? false }) {
            if isIntended { return .settleFirst }
            return isOwn ? try nothing(stage, queue, request, at: moment) : .nothing(until: nil)
        }
        guard try mayRun(stage) else { return .nothing(until: nil) }

        if let full = try fullOutput(of: stage) { return try isSettled(stage) ? .finished : .full(full) }
        queues[queue].promote(wallClock: moment.wallClock)
        let (allowed, wait) = allowance(of: stage, at: moment)
        guard allowed > 0 else {
            return try isSettled(stage) ? .finished : .nothing(until: moment.wallClock + wait.milliseconds + 1)
        }
        // Who takes from a queue on its own, or works on a window, may hold something at all times: it gets nothing new
        // when a suspect is next, so that the suspect's turn comes.
        if isOwn || isIntended, !held.isEmpty, queues[queue].isSuspectNext() {
            return isIntended ? .settleFirst : try nothing(stage, queue, request, at: moment)
        }
        let id = LeaseID(lastLease + 1)
        let (items, areSuspects) = queues[queue].take(
            upTo: min(request.limit, allowed), suspectsToo: isOwn || isIntended || held.isEmpty,
            suspectsFirst: isIntended && held.isEmpty, into: id)
        spend(items.count, of: stage, at: moment)
        guard items.isEmpty else {
            let claim = grant(id, items, areSuspects: areSuspects, stage, queue, request.worker)
            leases[id]?.expiry = request.duration.map { MemoryExpiry(after: $0, at: moment) }
            return claim
        }
        return try nothing(stage, queue, request, at: moment)
    }

    private mutating func nothing(
        _ stage: Int, _ queue: Int, _ request: ClaimRequest, at moment: MemoryMoment
    ) throws -> Claim {
        let isOwn = stages[stage].spec.kind == .queue
        // Of those who each hold a part nobody can wait for the others: what is handed back later is claimed again.
        let holds = leases.values.contains { $0.worker == request.worker }
        if isOwn || request.holding == .isIntended, holds, isHandedOut(queue) { return .finished }
        if try isSettled(stage) { return .finished }
        return .nothing(until: [queues[queue].nextDue(), nextExpiry(queue, at: moment)].compactMap { $0 }.min())
    }

    /// A queue that the stage puts into and that holds as much as it may.
    func fullOutput(of stage: Int) throws -> QueueName? {
        guard let plan, !stages[stage].spec.outputs.isEmpty else { return nil }
        return try plan.boundedOutputs(of: stages[stage].spec).first { output in
            try isFull(output.queue, at: output.capacity, countingHeld: output.countsHeld)
        }?.queue
    }

    func isFull(_ queue: QueueName) throws -> Bool {
        // Nobody is to wait for room in what takes nothing more.
        guard let taker = plan?.consumer(of: queue)?.policy, let capacity = taker.capacity,
            try !queues[place(of: queue)].isClosed
        else { return false }
        return try isFull(queue, at: capacity, countingHeld: taker.countsHeld)
    }

    private func isFull(_ queue: QueueName, at capacity: Int, countingHeld: Bool) throws -> Bool {
        let place = try place(of: queue)
        let counts = queues[place].counts
        return counts.unsettled - (countingHeld ? 0 : counts[.leased] + queues[place].behind) >= Int64(capacity)
    }

    private func allowance(of stage: Int, at moment: MemoryMoment) -> (items: Int, wait: Duration) {
        guard let rate = stages[stage].spec.policy.rate else { return (.max, .zero) }
        return rate.allowance(stages[stage].account, at: moment.instant, boot: moment.boot)
    }

    private mutating func spend(_ items: Int, of stage: Int, at moment: MemoryMoment) {
        guard items > 0, let rate = stages[stage].spec.policy.rate else { return }
        stages[stage].account = rate.spending(
            items, stages[stage].account, at: moment.instant, boot: moment.boot)
    }

    /// Whether a claim may be asked for at all: checked before the step that it comes with is committed.
    @discardableResult
    func check(_ request: ClaimRequest) throws -> (stage: Int, queue: Int, worker: Int) {
        let stage = try place(of: request.stage)
        guard let queue = input(of: stage) else {
            throw LeatError(.refused, "Stage '\(request.stage)' has no input, so it has no items.")
        }
        if let problem = request.problem(for: stages[stage].spec) { throw problem }
        return (stage, queue, try place(ofLive: request.worker))
    }

    /// The whole input in one lease: what is ready, and what was done when the stage ended before.
    mutating func claimAll(_ name: StageName, worker id: WorkerID, at moment: MemoryMoment) throws -> Claim {
        let stage = try place(of: name)
        guard let queue = input(of: stage), stages[stage].spec.takesAll else {
            throw LeatError(.refused, "Stage '\(name)' does not take its whole input at once; claim a batch.")
        }
        _ = try place(ofLive: id)
        if let trip = stages[stage].trip { return .refused(reason: trip) }
        if stages[stage].hasEnded { return .finished }
        guard queues[queue].isClosed, try mayRun(stage) else { return .nothing(until: nil) }
        guard !leases.values.contains(where: { $0.stage == stage }) else { return .nothing(until: nil) }

        queues[queue].promote(wallClock: moment.wallClock)
        let waiting = queues[queue].ids(in: .waiting)
        guard waiting.isEmpty else {
            // The whole is there when the last of it is.
            return .nothing(until: waiting.compactMap { queues[queue][$0]?.visibleAt }.max())
        }
        let done = queues[queue].ids(in: .done)
        stages[stage].reopened += Int64(done.count)
        let items = (done + queues[queue].ids(in: .ready)).sorted()
        let lease = LeaseID(lastLease + 1)
        for item in items { queues[queue].lend(item, to: lease) }
        return grant(lease, items, areSuspects: false, stage, queue, id)
    }

    private mutating func grant(
        _ id: LeaseID, _ items: [ItemID], areSuspects: Bool, _ stage: Int, _ queue: Int, _ worker: WorkerID
    ) -> Claim {
        lastLease = id.rawValue
        leases[id] = MemoryLease(
            id: id, stage: stage, queue: queue, worker: worker, taken: items, remaining: items.count,
            suspect: areSuspects ? items.count : 0
        )
        workers[Int(worker.rawValue) - 1].leases.insert(id)
        let handed = items.compactMap { item in
            queues[queue][item].map {
                Item(
                    id: item, payload: $0.payload, claims: $0.claims, attempts: $0.attempts, generation: 0,
                    createdAt: $0.createdAt, headers: $0.headers)
            }
        }
        return .granted(
            Lease(
                id: id, stage: stages[stage].spec.name, worker: worker, items: handed, isSuspect: areSuspects
            )
        )
    }
}

// MARK: What a lease holds

extension MemoryState {
    func isHeld(_ item: ItemID, by lease: MemoryLease) -> Bool { queues[lease.queue].lease(of: item) == lease.id }

    /// The items that a lease still holds.
    func held(by lease: MemoryLease) -> [ItemID] {
        lease.remaining == 0 ? [] : lease.taken.filter { isHeld($0, by: lease) }
    }

    /// Counts one item less; a lease without items ends.
    mutating func shrink(_ lease: LeaseID) {
        leases[lease]?.remaining -= 1
        if leases[lease]?.remaining == 0 { drop(lease) }
    }

    mutating func drop(_ lease: LeaseID) {
        guard let ended = leases.removeValue(forKey: lease) else { return }
        workers[Int(ended.worker.rawValue) - 1].leases.remove(lease)
    }

    /// Takes a lease away: its items are ready again.
    ///
    /// - Parameter suspect: the largest batch in which they may be claimed; `nil` leaves each under the suspicion that
    ///   it was under.
    mutating func release(_ lease: MemoryLease, suspect: Int? = nil) {
        for item in held(by: lease) {
            queues[lease.queue].change(item, to: .ready) {
                if let suspect { $0.suspect = suspect }
                if $0.suspect > 0 { $0.isOffPath = true }
            }
        }
        drop(lease.id)
    }

    /// Takes a lease away from a batch that failed as a whole: half as many are claimed at once from now on.
    mutating func halve(_ lease: MemoryLease) {
        release(lease, suspect: max(1, (lease.remaining + 1) / 2))
    }
}
