internal import Leat

/// One record an item: all that the rules speak of, in the plainest form.
struct ModelItem {
    enum Fate: Hashable {
        /// Ready, or waiting until a time.
        case open(Int64?)
        case leased(LeaseID)
        case done, dead, skipped
    }

    let id: ItemID
    let payload: Payload
    let key: String?
    let group: String?
    let origin: StageName?
    let parent: ItemID?
    let priority: Int
    var fate: Fate
    /// Of a group's unsettled items one has its turn.
    var hasTurn = false
    var claims = 0
    var attempts = 0
    var kills = 0
    var suspect = 0
    /// It was done once, after which a store need not remember its claims.
    var wasDone = false

    var isSettled: Bool { fate == .done || fate == .dead || fate == .skipped }
    func isReady(at wall: Int64) -> Bool {
        if hasTurn, case .open(let due) = fate { due == nil || due! <= wall } else { false }
    }
    var lease: LeaseID? { if case .leased(let lease) = fate { lease } else { nil } }
}

struct ModelLease {
    let lease: Lease
    /// As it was when it was claimed: how many, if they were suspects.
    let suspect: Int
    let takesAll: Bool
}

struct ModelWorker {
    let id: WorkerID
    let stage: StageName
    var isLive = true
}

struct ModelShard {
    let id: ShardID
    var isComplete = false
    var epoch: Int64 = 0
    var owner: WorkerID?
    var cursor: String?
    var emitted: Int64 = 0
    /// Its end was taken back: who owns it since, a store may see in two ways.
    var wasReopened = false
}

struct ModelStage {
    var trip: Trip?
    var crashes = 0
    var kills = 0
    var settled: Int64 = 0
    var dead: Int64 = 0
    var windowSettled: Int64 = 0
    var windowDead: Int64 = 0
    var told: Set<QueueName> = []
    var hasEnded = false
    var endedOnce = false
    var emitted: Int64 = 0
    var refused: Int64 = 0
    var failures: Int64 = 0

    enum Trip { case breaker, crashes }
}

/// The reference: every rule of the store in its most literal form, each item looked at each time.
///
/// It shares the plan's order with the stores and no rule: those are written again here, so that a mistake in
/// `CompletionRules`, say, shows as a difference.
struct ModelState {
    let plan: Plan
    /// The plan's answers, looked up once: they are asked for after every operation.
    let units: [StageName: [StageSpec]]
    let feeders: [QueueName: [StageSpec]]
    let downstream: [StageName: [StageSpec]]
    var wall: Int64
    var queues: [QueueName: [ModelItem]] = [:]
    var stages: [StageName: ModelStage] = [:]
    var workers: [ModelWorker] = []
    var leases: [ModelLease] = []
    var shards: [ModelShard] = []

    init(_ plan: Plan, wall: Int64) {
        self.plan = plan
        self.wall = wall
        units = Dictionary(
            uniqueKeysWithValues: plan.units.flatMap { unit in
                unit.map { ($0, plan.stages.filter { unit.contains($0.name) }) }
            })
        feeders = Dictionary(uniqueKeysWithValues: plan.queues.map { ($0, plan.producers(of: $0)) })
        downstream = Dictionary(uniqueKeysWithValues: plan.stages.map { ($0.name, plan.downstream(of: $0.name)) })
        for queue in plan.queues { queues[queue] = [] }
        for stage in plan.stages {
            stages[stage.name] = ModelStage()
            if stage.input == nil { shards += stage.shards.map { ModelShard(id: ShardID(stage.name, $0)) } }
        }
    }

    // MARK: Looking

    func isLive(_ worker: WorkerID?) -> Bool { workers.contains { $0.id == worker && $0.isLive } }
    func liveWorkers(of stage: StageName) -> [WorkerID] {
        workers.filter { $0.isLive && $0.stage == stage }.map(\.id)
    }
    func held(by lease: Lease) -> [ModelItem] {
        guard let queue = plan.stage(lease.stage)?.input else { return [] }
        return queues[queue, default: []].filter { $0.lease == lease.id }
    }
    func leases(of worker: WorkerID) -> [ModelLease] { leases.filter { $0.lease.worker == worker } }

    // MARK: Putting

    func has(_ key: String?, in queue: QueueName) -> Bool {
        key != nil && queues[queue, default: []].contains { $0.key == key }
    }

    /// - Returns: how many were inserted.
    @discardableResult
    mutating func insert(_ outputs: [Output], from origin: StageName?) -> Int {
        var count = 0
        for output in outputs where !has(output.key, in: output.queue) {
            let id = ItemID(Int64(queues[output.queue, default: []].count + 1))
            let due: Int64? =
                if case .after(let delay) = output.due, delay > .zero { wall + delay.milliseconds } else { nil }
            let isTakenAsAWhole = plan.stages.contains { $0.input == output.queue && $0.takesAll }
            queues[output.queue, default: []].append(
                ModelItem(
                    id: id, payload: output.payload, key: output.key, group: isTakenAsAWhole ? nil : output.group,
                    origin: origin, parent: output.parent, priority: output.priority, fate: .open(due)))
            giveTurns(in: output.queue)
            count += 1
        }
        if let origin { stages[origin]!.emitted += Int64(count) }
        return count
    }

    /// What is in no group has its turn at any time; of a group the first unsettled item has it, once no other has.
    private mutating func giveTurns(in queue: QueueName) {
        var taken: Set<String> = []
        for index in queues[queue]!.indices {
            let item = queues[queue]![index]
            if item.isSettled || item.group == nil { queues[queue]![index].hasTurn = item.group == nil }
            if !item.isSettled, item.hasTurn, let group = item.group { taken.insert(group) }
        }
        for index in queues[queue]!.indices {
            guard let group = queues[queue]![index].group, !queues[queue]![index].isSettled else { continue }
            if taken.insert(group).inserted { queues[queue]![index].hasTurn = true }
        }
    }

    // MARK: Settling

    mutating func change(_ id: ItemID, of stage: StageName, _ body: (inout ModelItem) -> Void) {
        guard let queue = plan.stage(stage)?.input else { return }
        body(&queues[queue]![Int(id.rawValue) - 1])
        giveTurns(in: queue)
    }

    /// An attempt is spent.
    ///
    /// - Returns: whether the item is dead of it.
    mutating func fail(
        _ id: ItemID, of stage: StageName, permanently: Bool = false, wait: Int64? = nil, suspect: Int = 0
    ) -> Bool {
        let retry = plan.stage(stage)!.policy.retry
        let wall = wall
        var isDead = false
        change(id, of: stage) { item in
            item.attempts += 1
            isDead = permanently || item.attempts >= retry.attempts
            let delay = wait ?? min(retry.base.milliseconds << (item.attempts - 1), retry.cap.milliseconds)
            item.fate = isDead ? .dead : .open(delay == 0 ? nil : wall + delay)
            item.suspect = suspect
        }
        return isDead
    }

    mutating func judge(_ stage: StageName, done: Int64, dead: Int64) {
        let breaker = plan.stage(stage)!.policy.breaker
        var counts = stages[stage]!
        if counts.windowSettled >= breaker.window {
            counts.windowSettled = 0
            counts.windowDead = 0
        }
        counts.settled += done + dead
        counts.dead += dead
        counts.windowSettled += done + dead
        counts.windowDead += dead
        if breaker.isEnabled, dead > 0, counts.trip == nil {
            let allDead = counts.settled >= breaker.firstAllDead && counts.settled == counts.dead
            let mostDead =
                counts.windowSettled >= breaker.leastSettled
                && counts.windowDead > counts.windowSettled - counts.windowDead
            if allDead || mostDead { counts.trip = .breaker }
        }
        stages[stage] = counts
    }

    /// What a good step does, up to its next claim.
    mutating func apply(_ step: Step, of lease: Lease) {
        let held = held(by: lease).map(\.id)
        var outcomes: [(ItemID, Outcome)] = []
        switch step.verdict {
        case .done: outcomes = held.map { ($0, .done) }
        case .released: outcomes = held.map { ($0, .released) }
        case .each(let each): outcomes = each.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        case .failedTogether(let failure) where held.count == 1 || failure.postponement != nil:
            outcomes = held.map { ($0, .failed(failure)) }
        case .failedWithOthers(let failure) where failure.postponement != nil:
            outcomes = held.map { ($0, .failed(failure)) }
        case .failedTogether, .failedWithOthers: halve(held, of: step.stage)
        }
        var done: Int64 = 0
        var dead: Int64 = 0
        for (id, outcome) in outcomes {
            switch outcome {
            case .done:
                change(id, of: step.stage) {
                    $0.fate = .done
                    $0.wasDone = true
                }
                done += 1
            case .released: change(id, of: step.stage) { $0.fate = .open(nil) }
            case .failed(let failure) where failure.postponement != nil:
                let wait = failure.wait ?? 0
                change(id, of: step.stage) { [wall] in $0.fate = .open(wait == 0 ? nil : wall + wait) }
            case .failed(let failure):
                if fail(id, of: step.stage, permanently: failure.isPermanent, wait: failure.wait) { dead += 1 }
                stages[step.stage]!.failures += 1
            }
        }
        stages[step.stage]!.crashes = 0
        stages[step.stage]!.kills = 0
        if self.held(by: lease).isEmpty { leases.removeAll { $0.lease.id == lease.id } }
        insert(step.outputs, from: step.stage)
        judge(step.stage, done: done, dead: dead)
        if step.endsStage {
            stages[step.stage]!.hasEnded = true
            stages[step.stage]!.endedOnce = true
        }
        complete()
    }

    mutating func halve(_ held: [ItemID], of stage: StageName) {
        for id in held {
            change(id, of: stage) {
                $0.fate = .open(nil)
                $0.suspect = max(1, (held.count + 1) / 2)
            }
        }
    }

    mutating func skip(_ id: ItemID, of stage: StageName) {
        let queue = plan.stage(stage)!.input!
        if let lease = queues[queue]![Int(id.rawValue) - 1].lease {
            for other in queues[queue]! where other.lease == lease {
                change(other.id, of: stage) { $0.fate = .open(nil) }
            }
            leases.removeAll { $0.lease.id == lease }
        }
        change(id, of: stage) { $0.fate = .skipped }
        complete()
    }
}

extension Failure {
    /// The wait that it asks for, in milliseconds; `nil` leaves it to the policy.
    var wait: Int64? {
        switch advice {
        case .after(let wait), .postpone(let wait): wait.milliseconds
        case .backOff, .never: nil
        }
    }
}
