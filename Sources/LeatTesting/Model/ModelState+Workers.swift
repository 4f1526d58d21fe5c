internal import Leat

extension ModelState {
    /// What a worker's end does.
    mutating func end(_ worker: WorkerID, _ ending: WorkerEnding) -> DeathAccount {
        guard let index = workers.firstIndex(where: { $0.id == worker }), workers[index].isLive else { return .nobody }
        workers[index].isLive = false
        let hadShard = shards.contains { $0.owner == worker && !$0.isComplete && !$0.wasReopened }
        for index in shards.indices where shards[index].owner == worker { shards[index].owner = nil }
        let stage = workers[index].stage
        let mine = leases(of: worker)
        leases.removeAll { $0.lease.worker == worker }
        var account = DeathAccount.nobody
        for lease in mine {
            let held = held(by: lease.lease).map(\.id)
            if !ending.isSuspicious || lease.takesAll || ending.isOfTheStage {
                for id in held { change(id, of: stage) { $0.fate = .open(nil) } }
                if ending.isSuspicious { account = .stage }
            } else if lease.suspect == 1, mine.count == 1 {
                charge(held[0], of: stage, ending)
                account = .charged
            } else {
                halve(held, of: stage)
                account = .halved
            }
        }
        if ending.isSuspicious, mine.isEmpty, hadShard || ending != .killed { account = .stage }
        if account == .stage { chargeStage(stage, ending) }
        complete()
        return account
    }

    private mutating func charge(_ id: ItemID, of stage: StageName, _ ending: WorkerEnding) {
        var isDead = false
        if ending == .killed {
            let budget = plan.stage(stage)!.policy.retry.kills
            change(id, of: stage) { item in
                item.kills += 1
                isDead = item.kills >= budget
                item.fate = isDead ? .dead : .open(nil)
                item.suspect = 1
            }
        } else {
            isDead = fail(id, of: stage, suspect: 1)
            stages[stage]!.failures += 1
        }
        if isDead { judge(stage, done: 0, dead: 1) }
    }

    private mutating func chargeStage(_ name: StageName, _ ending: WorkerEnding) {
        let policy = plan.stage(name)!.policy
        if ending == .killed {
            stages[name]!.kills += 1
        } else {
            stages[name]!.crashes += 1
            stages[name]!.failures += 1
        }
        let isOver =
            ending.isPermanent || stages[name]!.crashes >= policy.crashes || stages[name]!.kills >= policy.retry.kills
        if isOver, stages[name]!.trip == nil { stages[name]!.trip = .crashes }
    }

    // MARK: Orders

    mutating func clear(_ name: StageName) {
        stages[name]!.trip = nil
        stages[name]!.crashes = 0
        stages[name]!.kills = 0
        stages[name]!.settled = 0
        stages[name]!.dead = 0
        stages[name]!.windowSettled = 0
        stages[name]!.windowDead = 0
    }

    func deadItems(of stage: StageSpec) -> [ModelItem] {
        stage.input.map { queues[$0, default: []].filter { $0.fate == .dead } } ?? []
    }

    /// Whether a stage that takes all has passed on what a retry would change.
    func isRetryRefused(_ stage: StageSpec) -> Bool {
        downstream[stage.name, default: []].contains { $0.takesAll && !$0.outputs.isEmpty && stages[$0.name]!.hasEnded }
    }

    mutating func retry(_ stage: StageSpec) -> Int {
        stages[stage.name]!.trip = nil
        let dead = deadItems(of: stage)
        guard !dead.isEmpty else { return 0 }
        for item in dead {
            change(item.id, of: stage.name) {
                $0.fate = .open(nil)
                $0.attempts = 0
                $0.kills = 0
                $0.suspect = 0
            }
        }
        stages[stage.name]!.told = []
        // Whoever works on a whole input that is reopened loses it.
        for later in [stage] + downstream[stage.name, default: []] where later.takesAll {
            for held in leases where held.lease.stage == later.name {
                for item in self.held(by: held.lease) {
                    change(item.id, of: later.name) {
                        $0.fate = .open(nil)
                        $0.suspect = 0
                    }
                }
            }
            leases.removeAll { $0.lease.stage == later.name }
        }
        for later in downstream[stage.name, default: []] {
            stages[later.name]!.told = []
            stages[later.name]!.hasEnded = false
            for index in shards.indices where shards[index].id.stage == later.name {
                // So does whoever runs once, after what is reopened.
                if later.hasEnding { shards[index].owner = nil }
                guard shards[index].isComplete else { continue }
                shards[index].isComplete = false
                shards[index].wasReopened = true
            }
        }
        return dead.count
    }

    // MARK: Shards

    mutating func emit(_ emission: Emission) {
        guard let index = shards.firstIndex(where: { $0.id == emission.hold.id }) else { return }
        let name = emission.hold.id.stage
        let count = insert(emission.outputs, from: name)
        shards[index].emitted += Int64(count)
        shards[index].cursor = emission.cursor ?? shards[index].cursor
        stages[name]!.crashes = 0
        stages[name]!.kills = 0
        if emission.isLast {
            shards[index].isComplete = true
            if plan.stage(name)!.hasEnding {
                stages[name]!.hasEnded = true
                stages[name]!.endedOnce = true
            }
        }
        complete()
    }
}
