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
    var queues: [MemoryQueue] = []
    var stages: [MemoryStage] = []
    var leases: [LeaseID: MemoryLease] = [:]
    /// Worker n is at n - 1.
    var workers: [MemoryWorker] = []
    /// Those that failed, in order.
    var attempts: [AttemptRecord] = []
    var lastLease: Int64 = 0
    private var queuePlaces: [QueueName: Int] = [:]
    private var stagePlaces: [StageName: Int] = [:]

    func place(of queue: QueueName) throws -> Int {
        guard let place = queuePlaces[queue] else {
            throw LeatError(.notFound, "There is no queue '\(queue)' in this pipeline\(known(queuePlaces.keys)).")
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
        guard let old = self.plan else {
            self.plan = plan
            for queue in plan.queues {
                queuePlaces[queue] = queues.count
                queues.append(MemoryQueue(queue))
            }
            for spec in plan.stages {
                stagePlaces[spec.name] = stages.count
                stages.append(MemoryStage(spec))
            }
            return
        }
        try compare(plan, with: old)
        self.plan = plan
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

    private func compare(_ new: Plan, with old: Plan) throws {
        func changed(_ what: String) -> LeatError {
            LeatError(
                .pipelineChanged,
                "Pipeline '\(printable(old.pipeline))' can't be installed over what is there: \(what); start a new store."
            )
        }
        guard new.pipeline == old.pipeline else {
            throw changed("the other one's name is '\(printable(new.pipeline))'")
        }
        let names = Set(new.stages.map(\.name))
        let oldNames = Set(old.stages.map(\.name))
        if let odd = names.symmetricDifference(oldNames).min() {
            throw changed("stage '\(odd)' is \(names.contains(odd) ? "new" : "gone")")
        }
        for spec in new.stages {
            guard let before = old.stage(spec.name) else { continue }
            guard spec.kind == before.kind, spec.input == before.input, spec.takesAll == before.takesAll,
                Set(spec.outputs) == Set(before.outputs), Set(spec.after) == Set(before.after)
            else {
                throw changed("stage '\(spec.name)' has other queues, or runs at another time")
            }
            let shards = Set(spec.shards)
            if let gone = Set(before.shards).subtracting(shards).min() {
                throw changed("shard '\(printable(gone.rawValue))' of stage '\(spec.name)' is gone")
            }
            guard let added = shards.subtracting(before.shards).min() else { continue }
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
