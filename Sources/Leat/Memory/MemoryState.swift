/// The time at which a step is done: read once, after the lock is held.
struct MemoryMoment {
    let instant: Int64
    let boot: String
    let wallClock: Int64
    let chance: () -> Double

    init(_ time: any TimeSource) {
        instant = time.instant
        boot = time.bootID
        wallClock = time.wallClock
        chance = { time.chance }
    }
}

/// All facts of a pipeline and the steps that change them, without a clock, a lock or a thread.
///
/// A step that throws has changed nothing, but for a late step's refusal, which is counted: every step checks first and
/// changes afterwards, in place, so no step copies the queues.
///
/// The queues and stages of a plan stay at their places in the arrays for good; a plan that is installed later may
/// name them in another order.
struct MemoryState: Sendable {
    var plan: Plan?
    var source: RunSource?
    var queues: [MemoryQueue] = []
    var stages: [MemoryStage] = []
    var leases: [LeaseID: MemoryLease] = [:]
    /// Worker n is at n - 1.
    var workers: [MemoryWorker] = []
    /// Those that failed, in order.
    var attempts: [AttemptRecord] = []
    var schedules: [ScheduleName: MemorySchedule] = [:]
    var lastLease: Int64 = 0
    private var queuePlaces: [QueueName: Int] = [:]
    private var stagePlaces: [StageName: Int] = [:]

    func place(of queue: QueueName) throws -> Int {
        guard let place = queuePlaces[queue] else {
            throw LeatError(.notFound, "There is no queue '\(queue)' in this store\(known(queuePlaces.keys)).")
        }
        return place
    }

    func place(of stage: StageName) throws -> Int {
        guard let place = stagePlaces[stage] else {
            throw LeatError(.notFound, "There is no stage '\(stage)' in this pipeline\(known(stagePlaces.keys)).")
        }
        return place
    }

    /// The place of a stage's input, if it has one.
    func input(of stage: Int) -> Int? { stages[stage].spec.input.flatMap { queuePlaces[$0] } }

    /// The worker's place, if it is enrolled and has not ended.
    func place(ofLive worker: WorkerID) throws -> Int {
        let place = Int(worker.rawValue) - 1
        guard workers.indices.contains(place), workers[place].ending == nil else {
            throw LeatError(
                .leaseLost,
                "Worker \(worker) is not alive any more as far as the store knows; enroll again to go on."
            )
        }
        return place
    }

    private func known(_ names: some Collection<some LeatName>) -> String {
        names.isEmpty ? "; install a plan first" : "; it has \(names.sorted().map(\.rawValue).joined(separator: ", "))"
    }
}

// MARK: The plan

extension MemoryState {
    mutating func install(_ plan: Plan) throws {
        let own = self.plan?.stages.filter { $0.kind == .queue } ?? []
        guard let old = self.plan, old.pipeline != nil else {
            for spec in own where plan.stage(spec.name) != nil || spec.input.map(plan.queues.contains) == true {
                throw LeatError(
                    .pipelineChanged,
                    "This store has a queue '\(spec.name)' on its own, and the pipeline has a queue or a stage of that name; give one of them another name."
                )
            }
            self.plan = try Plan(pipeline: plan.pipeline, stages: plan.stages + own, parameters: plan.parameters)
            for queue in plan.queues { add(MemoryQueue(queue)) }
            for spec in plan.stages { add(spec) }
            return
        }
        try compare(plan, with: old)
        self.plan = try Plan(pipeline: plan.pipeline, stages: plan.stages + own, parameters: plan.parameters)
        for spec in plan.stages {
            let place = try place(of: spec.name)
            stages[place].spec = spec
            for shard in spec.shards where stages[place].shards[shard] == nil {
                stages[place].shards[shard] = MemoryShard()
            }
        }
        // A tolerance may have changed, and with it what has ended.
        try evaluate()
    }

    private mutating func add(_ queue: MemoryQueue) {
        queuePlaces[queue.name] = queues.count
        queues.append(queue)
    }

    private mutating func add(_ spec: StageSpec) {
        stagePlaces[spec.name] = stages.count
        stages.append(MemoryStage(spec))
    }

    /// Makes a queue on its own, or finds the queue of that name and what takes from it.
    mutating func makeQueue(_ name: QueueName, policy: StagePolicy?) throws -> StageSpec {
        if let stage = plan?.consumer(of: name) {
            let place = try place(of: stage.name)
            guard let policy, policy != stages[place].spec.policy else { return stages[place].spec }
            guard stage.kind == .queue else {
                throw LeatError(
                    .refused,
                    "Queue '\(name)' belongs to stage '\(stage.name)' of a pipeline, which says what holds for it; leave its policy out."
                )
            }
            stages[place].spec.policy = policy
            return stages[place].spec
        }
        let spec = StageSpec(queue: name, policy: policy ?? .queue)
        plan = try plan?.adding(spec) ?? Plan(pipeline: nil, stages: [spec])
        add(MemoryQueue(name, isSealed: false))
        add(spec)
        return spec
    }

    private func compare(_ new: Plan, with old: Plan) throws {
        if let refusal = new.refusal(by: old) { throw refusal }
        func changed(_ what: String) -> LeatError {
            LeatError(
                .pipelineChanged,
                "Pipeline '\(printable(old.pipeline ?? ""))' can't be installed over what is there: \(what); start a new store."
            )
        }
        for spec in new.stages {
            guard let before = old.stage(spec.name) else { continue }
            guard let added = Set(spec.shards).subtracting(before.shards).min() else { continue }
            for later in new.downstream(of: spec.name) where stages[try place(of: later.name)].hasEnded {
                throw changed(
                    "shard '\(printable(added.rawValue))' of stage '\(spec.name)' is new, but stage '\(later.name)' has ended on all that was before it"
                )
            }
            for queue in spec.outputs where queues[try place(of: queue)].isClosed {
                throw changed(
                    "shard '\(printable(added.rawValue))' of stage '\(spec.name)' is new, but queue '\(queue)' is closed"
                )
            }
        }
    }
}
