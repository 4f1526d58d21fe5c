internal import Leat

extension ModelRunner {
    /// Holds all that can be observed against the model.
    func compare() async throws {
        for queue in plan.queues { try await compareItems(of: queue) }
        try await compareStatus()
        try await compareDeadLetters()
    }

    func verify() async throws {
        try same(try await store.verify(), [], "the discrepancies that the store finds in itself")
    }

    private func word(_ item: ModelItem) -> ItemState {
        switch item.fate {
        case .open: item.isReady(at: model.wall) ? .ready : .waiting
        case .leased: .leased
        case .done: .done
        case .dead: .dead
        case .skipped: .skipped
        }
    }

    private func compareItems(of queue: QueueName) async throws {
        let records = try await store.items(in: queue, after: nil, limit: 100_000)
        let items = model.queues[queue]!
        try same(records.map(\.id), items.map(\.id), "ids of queue \(queue)")
        for (record, item) in zip(records, items) {
            func same<Value: Equatable>(_ found: Value, _ expected: Value, _ what: String) throws {
                guard found != expected else { return }
                try self.same(found, expected, "\(what) of item \(item.id) of \(queue)")
            }
            let state = word(item)
            try same(record.state, state, "state")
            try same(record.payload, item.payload, "payload")
            try same(record.key, item.key, "key")
            try same(record.group, item.group, "group")
            if case .open(let due?) = item.fate, state == .waiting, item.hasTurn {
                try same(record.dueAt, due, "due time")
            }
            try same(record.origin, item.origin, "origin")
            try same(record.parent, item.parent, "parent")
            // Of an item that went through, a store need keep nothing but that.
            if state != .done, !item.wasDone { try same(record.priority, item.priority, "priority") }
            if state == .dead {
                try same(record.attempts, item.attempts, "attempts")
                try same(record.kills, item.kills, "kills")
                try check(record.reason?.isEmpty == false, "dead item \(item.id) of \(queue) has no reason")
            } else if !state.isSettled {
                try same(record.attempts, item.attempts, "attempts")
                try same(record.kills, item.kills, "kills")
                try same(record.suspect, item.suspect, "suspicion")
                if !item.wasDone { try same(record.claims, item.claims, "claims") }
            }
        }
    }

    private func compareStatus() async throws {
        let all = try await store.status()
        try same(all.map(\.stage), plan.stages.map(\.name), "stages of the status")
        for (status, stage) in zip(all, plan.stages) {
            let facts = model.stages[stage.name]!
            func same<Value: Equatable>(_ found: Value, _ expected: Value, _ what: String) throws {
                guard found != expected else { return }
                try self.same(found, expected, "\(what) of stage \(stage.name)")
            }
            try same(status.kind, stage.kind, "kind")
            try same(status.emitted, facts.emitted, "emitted")
            try same(status.refused, facts.refused, "refused")
            try same(status.workers, Int64(model.liveWorkers(of: stage.name).count), "workers")
            try same(status.failures, facts.failures, "failures")
            let words = model.words(for: stage)
            try check(
                words.contains(status.state),
                "state of stage \(stage.name): the model has \(words.map(\.rawValue).sorted()), the store \(status.state.rawValue)"
            )
            if status.state == .failed {
                try check(status.reason?.isEmpty == false, "failed \(stage.name) has no reason")
            }
            let found = [status.ready, status.waiting, status.leased, status.done, status.dead, status.skipped]
            guard let input = stage.input else {
                try compareShards(of: stage, status)
                continue
            }
            let items = model.queues[input]!
            var counts: [ItemState: Int64] = [:]
            for item in items { counts[word(item), default: 0] += 1 }
            let wanted = [ItemState.ready, .waiting, .leased, .done, .dead, .skipped].map { counts[$0, default: 0] }
            try same(found, wanted, "counts (ready, waiting, leased, done, dead, skipped)")
            // Before its ends are written down, a settled cycle may be called closed or not.
            if model.unit(of: stage.name).count == 1 || model.isClosed(input) {
                try same(status.isClosed, model.isClosed(input), "closedness of the input")
            }
        }
    }

    private func compareShards(of stage: StageSpec, _ status: StageStatus) throws {
        let shards = model.shards.filter { $0.id.stage == stage.name }
        let open = shards.filter { !$0.isComplete }
        let owned = Int64(open.count { model.isLive($0.owner) })
        try same(status.done, Int64(shards.count - open.count), "complete shards of \(stage.name)")
        if shards.contains(where: \.wasReopened) || stage.kind != .producer {
            try same(status.ready + status.leased + status.waiting, Int64(open.count), "open shards of \(stage.name)")
        } else {
            try same(
                [status.ready, status.leased], [Int64(open.count) - owned, owned],
                "free and owned shards of \(stage.name)")
        }
    }

    private func compareDeadLetters() async throws {
        let letters = try await store.deadLetters(of: nil, limit: 100_000)
        var wanted: [String] = []
        for stage in plan.stages {
            wanted += model.deadItems(of: stage).map { "\(stage.name) \($0.id): \($0.attempts) attempts" }
        }
        let found = letters.map { "\($0.stage) \($0.item): \($0.attempts) attempts" }
        try same(found.sorted(), wanted.sorted(), "dead letters")
        try check(letters.allSatisfy { !$0.reason.isEmpty }, "a dead letter has no reason")
    }
}
