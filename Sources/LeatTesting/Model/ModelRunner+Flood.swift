internal import Leat

extension ModelRunner {
    /// Works on everything, stage by stage, so that ends are told, endings written and reopened parts closed again.
    ///
    /// Random steps alone seldom come that far. Each step of it is compared like any other.
    mutating func flood(dead: Int, outputs count: Int, except: Int) async throws {
        note("flood")
        for stage in plan.stages where stage.input == nil {
            for index in model.shards.indices where model.shards[index].id.stage == stage.name {
                try await emit(index, outputs: count, key: nil, cursor: "end", isLast: true)
            }
        }
        let stages = plan.stages.filter { $0.input != nil }
        for stage in stages.dropLast(except) { try await drain(stage, dead: dead, outputs: count) }
        // What comes after others may run now.
        for index in model.shards.indices where !model.shards[index].isComplete {
            try await emit(index, outputs: 0, key: nil, cursor: nil, isLast: true)
        }
    }

    private mutating func drain(_ stage: StageSpec, dead: Int, outputs count: Int) async throws {
        let isCyclic = stage.outputs.contains { queue in
            plan.units.contains { $0.count > 1 && $0.contains(stage.name) } && plan.consumer(of: queue) != nil
        }
        for round in 1...20 {
            let held = model.leases.filter { $0.lease.stage == stage.name }
            for (index, lease) in held.enumerated() {
                let isHopeless = (round + index) % 5 == dead - 1
                try await commit(
                    lease, isHopeless ? .bury(index) : .all, outputs: isCyclic ? 0 : count, key: nil, next: nil)
                try await compare()
            }
            guard !model.leases.contains(where: { $0.lease.stage == stage.name }) else { continue }
            let granted = model.leases.count
            let worker = try await worker(0, of: stage.name)
            if stage.takesAll {
                try await claimAll(stage, worker)
            } else {
                let request = ClaimRequest(stage.name, worker: worker, limit: 5)
                note("claim 5 for \(stage.name) by \(worker)")
                try accept(try await store.claim(request), of: request)
            }
            guard model.leases.count == granted else { continue }
            // Nothing was there; perhaps something is due later.
            let isWaiting = model.queues[stage.input!]!.contains { !$0.isSettled && !$0.isReady(at: model.wall) }
            guard isWaiting, model.stages[stage.name]!.trip == nil else { return }
            try await perform(.advance(milliseconds: 4000))
        }
    }
}
