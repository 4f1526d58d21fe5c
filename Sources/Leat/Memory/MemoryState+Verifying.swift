extension MemoryState {
    /// Counts everything anew, and holds it against what was counted as it happened.
    ///
    /// O(all items).
    func verify() throws -> [Discrepancy] {
        var audit = MemoryAudit()
        for queue in queues { verify(queue, &audit) }
        for stage in stages.indices { try verify(stage, &audit) }
        verifyLeases(&audit)
        return audit.discrepancies
    }

    private func verify(_ queue: MemoryQueue, _ audit: inout MemoryAudit) {
        let found = queue.recount()
        for state in ItemState.allCases {
            audit.expect("\(state.rawValue) items of queue \(queue.name)", queue.counts[state], found[state])
        }
        let claimable = found[.ready] + found[.waiting]
        audit.expect("items of queue \(queue.name) that can be claimed", claimable, queue.countIndexed())
        var origins = queue.countByOrigin()
        let outside = origins.removeValue(forKey: nil) ?? 0
        audit.expect("items of queue \(queue.name) from outside", queue.putFromOutside, outside)
        for stage in stages {
            let counted = stage.emitted[queue.name] ?? 0
            audit.expect(
                "items of stage \(stage.spec.name) in queue \(queue.name)", counted, origins[stage.spec.name] ?? 0)
        }
    }

    private func verify(_ place: Int, _ audit: inout MemoryAudit) throws {
        let stage = stages[place]
        let name = stage.spec.name
        if let input = input(of: place) {
            audit.expect(
                "done items of queue \(queues[input].name)", stage.acknowledged - stage.reopened,
                queues[input].recount()[.done])
        }
        for queue in stage.spec.outputs {
            let closed = queues[try self.place(of: queue)].isClosed
            let told = try plan.map { try CompletionRules.isClosed(queue, in: $0, self) } ?? false
            audit.expect("whether queue \(queue) is closed", told, closed)
            if stage.completions.contains(queue) {
                audit.expect("whether stage \(name), which has told its end, is settled", true, try isSettled(place))
            }
        }
        if !stage.shards.isEmpty {
            let emitted = stage.shards.values.reduce(0) { $0 + $1.emitted }
            audit.expect("items put by the shards of stage \(name)", stage.emitted.values.reduce(0, +), emitted)
        }
        for (shard, record) in stage.shards {
            guard let owner = record.owner else { continue }
            audit.expect("whether the owner of shard \(ShardID(name, shard)) lives", true, isLive(owner))
        }
    }

    /// Every lease is a live worker's and holds what it says; every leased item is in exactly one.
    private func verifyLeases(_ audit: inout MemoryAudit) {
        var held = [Int64](repeating: 0, count: queues.count)
        for lease in leases.values.sorted(by: { $0.id < $1.id }) {
            audit.expect("whether the worker of lease \(lease.id) lives", true, isLive(lease.worker))
            let isKnown = isLive(lease.worker) && workers[Int(lease.worker.rawValue) - 1].leases.contains(lease.id)
            audit.expect("whether worker \(lease.worker) knows of lease \(lease.id)", true, isKnown)
            let items = Set(lease.taken.filter { isHeld($0, by: lease) && queues[lease.queue][$0]?.state == .leased })
            audit.expect("items of lease \(lease.id)", Int64(lease.remaining), Int64(items.count))
            held[lease.queue] += Int64(items.count)
        }
        for (place, queue) in queues.enumerated() {
            audit.expect("items of queue \(queue.name) in a lease", queue.recount()[.leased], held[place])
        }
    }

    private func isLive(_ worker: WorkerID) -> Bool {
        let place = Int(worker.rawValue) - 1
        return workers.indices.contains(place) && workers[place].ending == nil
    }
}

/// Collects what does not agree.
private struct MemoryAudit {
    var discrepancies: [Discrepancy] = []

    mutating func expect<Value: Equatable>(_ what: String, _ expected: Value, _ found: Value) {
        guard expected != found else { return }
        discrepancies.append(Discrepancy(what, expected: "\(expected)", found: "\(found)"))
    }
}
