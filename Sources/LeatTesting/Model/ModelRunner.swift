internal import Leat

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// Does each operation to the store and to the model, and holds their answers against each other.
struct ModelRunner {
    let store: any Store
    let time: ManualTime
    let plan: Plan
    var model: ModelState
    /// Leases that were granted and are no more.
    var lost: [Lease] = []
    /// Every hold that was handed out and whose shard has not told its end under it.
    var holds: [ShardHold] = []
    var puts = 0
    var boots = 1
    /// What was done, for a person.
    var doings: [String] = []

    init(store: any Store, time: ManualTime, plan: Plan) {
        self.store = store
        self.time = time
        self.plan = plan
        model = ModelState(plan, wall: time.wallClock)
    }

    mutating func note(_ text: String) { doings.append(text) }

    mutating func perform(_ operation: ModelOperation) async throws {
        switch operation {
        case .put(let queue, let count, let key, let delay, let priority):
            try await put(plan.queues[queue % plan.queues.count], count, key, delay: delay, priority: priority)
        case .enroll(let stage): _ = try await enroll(plan.stages[stage % plan.stages.count].name)
        case .claim(let stage, let worker, let limit):
            let all = plan.stages.filter { $0.input != nil && !$0.takesAll }
            // Mostly one that has work.
            let busy = all.filter { spec in model.queues[spec.input!]!.contains { $0.isReady(at: model.wall) } }
            guard let spec = pick(stage / 4, busy.isEmpty || stage % 4 == 0 ? all : busy) else { return }
            let request = ClaimRequest(spec.name, worker: try await self.worker(worker, of: spec.name), limit: limit)
            note("claim \(limit) for \(spec.name) by \(request.worker)")
            try accept(try await store.claim(request), of: request)
        case .claimAll(let stage, let worker):
            guard let spec = pick(stage, plan.stages.filter(\.takesAll)) else { return }
            try await claimAll(spec, try await self.worker(worker, of: spec.name))
        case .commit(let lease, let settlement, let outputs, let key, let next):
            guard let lease = pick(lease, model.leases) else { return }
            try await commit(lease, settlement, outputs: outputs, key: key, next: next)
        case .trespass(let kind, let first, let second): try await trespass(kind, first, second)
        case .end(let number, let ending):
            let live = model.workers.filter(\.isLive)
            // Mostly one that holds something: the death of an idle worker soon trips its stage.
            let busy = live.filter { !model.leases(of: $0.id).isEmpty }
            let suspect = busy.filter { model.leases(of: $0.id).contains { $0.suspect == 1 } }
            let choice = [live, suspect, busy, suspect][number % 4]
            guard let worker = pick(number / 4, !choice.isEmpty ? choice : busy.isEmpty ? live : busy) else { return }
            note("end \(worker.id) of \(worker.stage): \(ending.word)")
            let gone = model.leases(of: worker.id).map(\.lease)
            try same(
                try await store.end(worker.id, ending), model.end(worker.id, ending), "whom the end was charged to")
            lost += gone
        case .endAgain(let worker):
            guard let worker = pick(worker, model.workers.filter { !$0.isLive }) else { return }
            note("end \(worker.id) again")
            try same(try await store.end(worker.id, .killed), .nobody, "whom a second end was charged to")
        case .open(let shard, let worker):
            guard let shard = pick(shard, model.shards) else { return }
            _ = try await open(shard, by: try await self.worker(worker, of: shard.id.stage))
        case .emit(let shard, let outputs, let key, let cursor, let isLast):
            try await emit(shard, outputs: outputs, key: key, cursor: cursor.map { "\($0)" }, isLast: isLast)
        case .skip, .retry, .restart, .begin, .evaluate: try await order(operation)
        case .flood(let dead, let outputs, let except):
            try await flood(dead: dead, outputs: outputs, except: except)
        case .advance(let milliseconds):
            note("advance \(milliseconds) ms")
            advance(milliseconds)
            for worker in model.workers where worker.isLive { try beat(worker.id) }
        case .silence(let survivors): try await silence(survivors)
        case .clocks, .newBoot: try await performOnClocks(operation)
        case .reboot:
            boots += 1
            note("boot \(boots)")
            time.bootID = "boot-\(boots)"
            try await reap(.rebooted, model.workers.filter(\.isLive))
        }
    }

    // MARK: Words

    func pick<Element>(_ number: Int, _ all: [Element]) -> Element? { all.isEmpty ? nil : all[number % all.count] }

    func same<Value: Equatable>(_ found: Value, _ expected: Value, _ what: String) throws {
        guard found != expected else { return }
        throw ModelDifference(text: "\(what): the model has \(expected), the store \(found)")
    }

    func check(_ condition: Bool, _ sentence: @autoclosure () -> String) throws {
        guard !condition else { return }
        throw ModelDifference(text: sentence())
    }

    func refused(_ code: LeatError.Code, _ what: String, _ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let error as LeatError {
            try same(error.code.rawValue, code.rawValue, "the refusal of \(what) (\(error))")
            return
        }
        throw ModelDifference(text: "\(what) was not refused (\(code.rawValue))")
    }

    mutating func outputs(
        _ count: Int, into queues: [QueueName], key: Int?, parent: ItemID? = nil, delay: Int = 0, priority: Int = 0
    ) -> [Output] {
        guard !queues.isEmpty else { return [] }
        return (0..<count).map { index in
            puts += 1
            return Output(
                .text("\(puts)"), to: queues[index % queues.count], parent: parent, key: key.map { "k\($0 + index)" },
                group: puts % 4 == 0 ? "g\(puts / 4 % 3)" : nil,
                due: .after(.seconds(delay)), priority: priority)
        }
    }

    // MARK: Putting and workers

    private mutating func put(_ queue: QueueName, _ count: Int, _ key: Int?, delay: Int, priority: Int) async throws {
        let isClosed = model.isClosed(queue)
        // Whether a key or the end is looked at first is a store's to say.
        let outputs = outputs(count, into: [queue], key: isClosed ? nil : key, delay: delay, priority: priority)
        note("put \(count) into \(queue), key \(key.map { "\($0)" } ?? "–"), delay \(delay) s, priority \(priority)")
        if isClosed {
            let other = plan.queues.filter { !model.isClosed($0) }.prefix(1).map { Output(.text("x"), to: $0) }
            try await refused(.queueClosed, "a put into a closed queue") { try await store.put(other + outputs) }
        } else {
            try same(try await store.put(outputs), model.insert(outputs, from: nil), "items put")
        }
    }

    mutating func enroll(_ stage: StageName) async throws -> WorkerID {
        let id = try await store.enroll(Enrollment(stage: stage, pid: getpid()))
        try check(!model.workers.contains { $0.id == id }, "worker \(id) was handed out twice")
        model.workers.append(ModelWorker(id: id, stage: stage))
        note("enroll \(id) for \(stage)")
        return id
    }

    /// One of a stage's live workers, or a new one.
    mutating func worker(_ number: Int, of stage: StageName) async throws -> WorkerID {
        let live = model.liveWorkers(of: stage)
        // Now and then one joins.
        return if number % 4 != 0, let worker = pick(number / 4, live) { worker } else { try await enroll(stage) }
    }

    // MARK: Time

    mutating func advance(_ milliseconds: Int) {
        time.advance(by: .milliseconds(milliseconds))
        model.wall = time.wallClock
    }

    private func beat(_ worker: WorkerID) throws {
        try same(try store.beat(worker), .alive, "the heartbeat of live worker \(worker)")
    }

    private mutating func silence(_ survivors: UInt64) async throws {
        note("silence, but for \(String(survivors, radix: 2))")
        let live = model.workers.filter(\.isLive)
        advance(Int(store.terms.duration.milliseconds) + 1)
        var silent: [ModelWorker] = []
        for (index, worker) in live.enumerated() {
            if survivors & (1 << UInt64(index % 8)) != 0 { try beat(worker.id) } else { silent.append(worker) }
        }
        try await reap(.silent, silent)
    }

    mutating func reap(_ ending: WorkerEnding, _ expected: [ModelWorker]) async throws {
        let reaped = try await store.reap(supervisor: nil)
        var wanted: [Reaped] = []
        for worker in expected {
            lost += model.leases(of: worker.id).map(\.lease)
            let account = model.end(worker.id, ending)
            wanted.append(Reaped(worker: worker.id, stage: worker.stage, ending: ending, account: account))
        }
        try same(reaped.sorted { $0.worker < $1.worker }, wanted.sorted { $0.worker < $1.worker }, "reaped workers")
    }
}
