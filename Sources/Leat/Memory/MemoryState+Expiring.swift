/// Leases that have a time of their own: those on queues on their own.
extension MemoryState {
    /// Makes ready again what was held for too long. Nobody is suspected.
    ///
    /// - Returns: whether there was any.
    @discardableResult
    mutating func handBackExpired(_ queue: Int, at moment: MemoryMoment) -> Bool {
        let expired = leases.values.filter { $0.queue == queue && $0.expiry?.isOver(at: moment) == true }
        for lease in expired { release(lease) }
        return !expired.isEmpty
    }

    /// The same for all queues.
    mutating func handBackExpired(at moment: MemoryMoment) -> Bool {
        queues.indices.reduce(false) { handBackExpired($1, at: moment) || $0 }
    }

    func nextExpiry(_ queue: Int, at moment: MemoryMoment) -> Int64? {
        leases.values.lazy.filter { $0.queue == queue }.compactMap { $0.expiry?.wallClock(at: moment) }.min()
    }

    /// Whether a queue is closed, and all that is left of it is in somebody's hands, or behind what is.
    func isHandedOut(_ queue: Int) -> Bool {
        let counts = queues[queue].counts
        return queues[queue].isClosed && counts[.ready] + counts[.waiting] == queues[queue].behind
    }

    /// Lets a lease last so long from now on.
    mutating func renew(_ lease: Lease, for duration: Duration, at moment: MemoryMoment) throws {
        let stage = try place(of: lease.stage)
        guard stages[stage].spec.kind == .queue else {
            throw LeatError(
                .refused,
                "Lease \(lease.id) of stage '\(lease.stage)' lives as long as its worker; there is no time to renew.")
        }
        guard let held = leases[lease.id], held.worker == lease.worker, held.stage == stage else {
            throw LeatError(
                .leaseLost, "Lease \(lease.id) of queue '\(lease.stage)' can't be renewed: its items are with another.")
        }
        leases[lease.id]?.expiry = MemoryExpiry(after: duration, at: moment)
    }

    // MARK: The end, by order

    mutating func seal(_ name: QueueName) throws {
        let queue = try place(of: name)
        queues[queue].isSealed = true
        try closeIfDue(name)
        // A queue of a cycle closes with the cycle, which may have waited for the seal alone.
        try evaluate(from: plan?.consumer(of: name)?.name)
    }

    /// Opens a queue for items from outside, and takes back what followed from its end.
    mutating func reopen(_ name: QueueName) throws {
        let queue = try place(of: name)
        guard let plan, let taker = plan.consumer(of: name) else { return }
        let stages = try [place(of: taker.name)] + plan.downstream(of: taker.name).map { try place(of: $0.name) }
        try refuseAfterPassedOn(stages, "Queue '\(name)' can't be opened again")
        queues[queue].isSealed = false
        queues[queue].isClosed = false
        for stage in stages { try reopen(stage) }
    }
}
