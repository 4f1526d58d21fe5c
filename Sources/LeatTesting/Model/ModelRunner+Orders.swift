internal import Leat

extension ModelRunner {
    // MARK: Shards

    mutating func open(_ shard: ModelShard, by worker: WorkerID) async throws -> ShardHold? {
        let spec = plan.stage(shard.id.stage)!
        note("open \(shard.id) by \(worker)")
        let answer = try await store.open(shard.id, by: worker)
        if shard.isComplete {
            try same(answer, .complete, "the opening of a complete shard")
        } else if model.stages[spec.name]!.trip != nil {
            guard case .refused = answer else {
                throw ModelDifference(text: "the opening of a tripped stage was answered with \(answer)")
            }
        } else if spec.after.contains(where: { !model.isComplete(plan.stage($0)!) }) {
            try same(answer, .notYet, "the opening of a stage before what it comes after")
        } else if let owner = shard.owner, owner != worker, model.isLive(owner), !isOpened(answer, shard) {
            try same(answer, .live(owner), "the opening of a shard that is live elsewhere")
        } else if case .opened(let hold) = answer {
            let wanted = ShardHold(
                id: shard.id, epoch: shard.epoch + 1, worker: worker, cursor: shard.cursor, emitted: shard.emitted)
            if shard.wasReopened {
                try check(hold.epoch > shard.epoch, "epoch \(hold.epoch) does not come after \(shard.epoch)")
            } else {
                try same(hold, wanted, "the hold on a shard")
            }
            if let index = model.shards.firstIndex(where: { $0.id == shard.id }) {
                model.shards[index].epoch = hold.epoch
                model.shards[index].owner = worker
                model.shards[index].wasReopened = false
            }
            holds.append(hold)
            return hold
        } else {
            throw ModelDifference(text: "the opening of a free shard was answered with \(answer)")
        }
        return nil
    }

    private func isOpened(_ answer: ShardOpening, _ shard: ModelShard) -> Bool {
        if case .opened = answer { shard.wasReopened } else { false }
    }

    private func isValid(_ hold: ShardHold) -> Bool {
        model.shards.contains {
            $0.id == hold.id && $0.epoch == hold.epoch && $0.owner == hold.worker && model.isLive(hold.worker)
        }
    }

    mutating func emit(_ number: Int, outputs count: Int, key: Int?, cursor: String?, isLast: Bool) async throws {
        guard let shard = pick(number, model.shards), !shard.isComplete else { return }
        var hold = holds.last { $0.id == shard.id && isValid($0) }
        if hold == nil { hold = try await open(shard, by: try await worker(number, of: shard.id.stage)) }
        guard let hold else { return }
        let outputs = outputs(count, into: plan.stage(shard.id.stage)!.outputs, key: key)
        note("emit \(outputs.count) from \(shard.id), cursor \(cursor ?? "–")\(isLast ? ", the last" : "")")
        let emission = Emission(hold, outputs: outputs, cursor: cursor, isLast: isLast)
        try await store.emit(emission)
        model.emit(emission)
        if isLast { holds.removeAll { $0.id == hold.id && $0.epoch == hold.epoch } }
    }

    // MARK: Orders

    mutating func order(_ operation: ModelOperation) async throws {
        switch operation {
        case .skip(let queue, let item):
            let name = plan.queues[queue % plan.queues.count]
            let open = model.queues[name]!.filter { !$0.isSettled || $0.fate == .dead }
            guard let item = pick(item, open), let stage = plan.consumer(of: name) else { return }
            note("skip \(item.id) of \(stage.name)")
            lost += model.leases.map(\.lease).filter { $0.id == item.lease }
            try await store.skip(item.id, of: stage.name, by: "model")
            model.skip(item.id, of: stage.name)
        case .retry(let stage):
            // Mostly one that has something to retry.
            let dead = plan.stages.filter { !model.deadItems(of: $0).isEmpty }
            guard let stage = pick(stage / 4, dead.isEmpty || stage % 4 == 0 ? plan.stages : dead) else { return }
            try await retry(stage)
        case .restart(let stage): try await restart(plan.stages[stage % plan.stages.count].name)
        case .begin:
            note("begin")
            try await store.begin(by: "model")
            for stage in plan.stages { model.clear(stage.name) }
            model.complete()
        default:
            note("evaluate")
            try await store.evaluate()
            model.complete()
        }
    }

    private mutating func retry(_ stage: StageSpec) async throws {
        let dead = model.deadItems(of: stage).count
        let isRefused = model.isRetryRefused(stage)
        if isRefused, dead == 0 { return }
        note("retry \(stage.name)")
        if isRefused {
            try await refused(.refused, "a retry whose consequences were passed on") {
                _ = try await store.retry(stage.name, by: "model")
            }
            return
        }
        let before = model.leases.map(\.lease)
        try same(try await store.retry(stage.name, by: "model"), model.retry(stage), "items retried")
        lost += before.filter { lease in !model.leases.contains { $0.lease.id == lease.id } }
        // What a retry forgets of the breaker's counts is not said; after a restart it is.
        try await restart(stage.name)
    }

    private mutating func restart(_ name: StageName) async throws {
        note("restart \(name)")
        try await store.restart(name, by: "model")
        try await store.evaluate()
        model.clear(name)
        model.complete()
    }

    // MARK: What must be refused

    mutating func trespass(_ kind: ModelTrespass, _ first: Int, _ second: Int) async throws {
        note("trespass: \(kind)")
        switch kind {
        case .lostLease:
            guard let lease = pick(first, lost) else { return }
            let verdict: Verdict = [.done, .released, .failedTogether(Failure("late"))][second % 3]
            try await fenced(
                Step(verdict, of: lease, outputs: late(lease.stage)), "a step under lost lease \(lease.id)")
        case .wrongWorker:
            guard let lease = pick(first, model.leases)?.lease,
                let other = pick(second, model.workers.filter { $0.id != lease.worker })
            else { return }
            var step = Step(.done, of: lease, outputs: late(lease.stage))
            step.worker = other.id
            try await fenced(step, "a step under lease \(lease.id) by worker \(other.id)")
        case .foreignItem:
            guard let held = pick(first, model.leases), !held.takesAll, let queue = plan.stage(held.lease.stage)?.input,
                let own = model.held(by: held.lease).first,
                let item = pick(second, model.queues[queue]!.filter { $0.lease != held.lease.id })
            else { return }
            let step = Step(
                .each([own.id: .done, item.id: .done]), of: held.lease, outputs: late(held.lease.stage))
            try await fenced(step, "a step under lease \(held.lease.id) on item \(item.id)")
        case .foreignQueue:
            guard let lease = pick(first, model.leases)?.lease,
                let queue = pick(second, plan.queues.filter { !plan.stage(lease.stage)!.outputs.contains($0) })
            else { return }
            try await refused(.invalidPipeline, "an output of \(lease.stage) into \(queue)") {
                _ = try await store.commit(
                    Step(.released, of: lease, outputs: [Output(.text("x"), to: queue)]), next: nil)
            }
        case .lostShard:
            guard let hold = pick(first, holds.filter { !isValid($0) }),
                model.shards.contains(where: { $0.id == hold.id && !$0.isComplete })
            else { return }
            try await refused(.fenced, "a step of \(hold.id) under epoch \(hold.epoch)") {
                try await store.emit(
                    Emission(hold, outputs: late(hold.id.stage), cursor: "late", isLast: second % 2 == 0))
            }
            model.stages[hold.id.stage]!.refused += 1
        case .endedWorker:
            guard let worker = pick(first, model.workers.filter { !$0.isLive }),
                let stage = plan.stage(worker.stage), stage.input != nil, !stage.takesAll
            else { return }
            try await refused(.leaseLost, "a claim of ended worker \(worker.id)") {
                _ = try await store.claim(ClaimRequest(stage.name, worker: worker.id, limit: 1))
            }
            try same(try store.beat(worker.id), .lost, "the heartbeat of an ended worker")
        case .skipSettled:
            guard let queue = pick(first, plan.queues), let stage = plan.consumer(of: queue),
                let item = pick(second, model.queues[queue]!.filter { $0.fate == .done || $0.fate == .skipped })
            else { return }
            try await refused(.refused, "skipping settled item \(item.id)") {
                try await store.skip(item.id, of: stage.name, by: "model")
            }
        case .unknownQueue:
            try await refused(.notFound, "a put into an unknown queue") {
                let known = plan.queues.filter { !model.isClosed($0) }.prefix(1).map { Output(.text("x"), to: $0) }
                try await store.put(known + [Output(.text("x"), to: "elsewhere")])
            }
        }
    }

    private func late(_ stage: StageName) -> [Output] {
        plan.stage(stage)!.outputs.prefix(1).map { Output(.text("late"), to: $0) }
    }

    private mutating func fenced(_ step: Step, _ what: String) async throws {
        let next = ClaimRequest(step.stage, worker: step.worker, limit: 1)
        try await refused(.leaseLost, what) { _ = try await store.commit(step, next: next) }
        model.stages[step.stage]!.refused += 1
    }
}
