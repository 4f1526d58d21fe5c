internal import Leat

extension ModelRunner {
    // MARK: Claiming

    /// Judges the answer to a claim by the rules, and lets the model follow it.
    mutating func accept(_ answer: Claim, of request: ClaimRequest) throws {
        let spec = plan.stage(request.stage)!
        let items = model.queues[spec.input!]!
        let holds = model.leases(of: request.worker)
        if model.stages[spec.name]!.trip != nil {
            guard case .refused(let reason) = answer, !reason.isEmpty else {
                throw ModelDifference(text: "a tripped stage answered a claim with \(answer)")
            }
            return
        }
        if holds.contains(where: { $0.suspect > 0 }) {
            try same(answer, .nothing(until: nil), "the answer to a claim beside a suspect lease")
            return
        }
        let ready = items.filter { $0.isReady(at: model.wall) && (holds.isEmpty || $0.suspect == 0) }
        if ready.isEmpty {
            if model.isSettled(model.unit(of: spec.name)) {
                try same(answer, .finished, "the answer to a claim on a settled input")
            } else if case .nothing(let until) = answer {
                // Whether suspects that may not be handed over count is a store's to say.
                if !items.contains(where: { $0.suspect > 0 }) || holds.isEmpty {
                    try same(until, earliest(items), "the time when something is due")
                }
            } else {
                throw ModelDifference(text: "with nothing ready a claim was answered with \(answer)")
            }
            return
        }
        guard let lease = answer.lease else {
            throw ModelDifference(text: "with \(ready.map(\.id)) ready a claim was answered with \(answer)")
        }
        try judge(lease, request, ready)
        try grant(lease, takesAll: false)
    }

    private func earliest(_ items: [ModelItem]) -> Int64? {
        items.compactMap { item in
            if item.hasTurn, case .open(let due) = item.fate { due } else { nil }
        }.min()
    }

    private func judge(_ lease: Lease, _ request: ClaimRequest, _ ready: [ModelItem]) throws {
        let taken = lease.items.compactMap { item in ready.first { $0.id == item.id } }
        try check(
            taken.count == lease.items.count && !taken.isEmpty && Set(taken.map(\.id)).count == taken.count,
            "the lease has items \(lease.items.map(\.id)), ready are \(ready.map(\.id))")
        try check(taken.count <= request.limit, "the lease has \(taken.count) items, asked for were \(request.limit)")
        let suspects = taken.filter { $0.suspect > 0 }
        try check(suspects.isEmpty || suspects.count == taken.count, "a lease mixes suspects with others")
        try same(lease.isSuspect, !suspects.isEmpty, "whether the lease is suspect")
        if let limit = suspects.map(\.suspect).min() {
            try check(taken.count <= limit, "the lease has \(taken.count) suspects, the limit is \(limit)")
        } else if let lowest = taken.map(\.priority).min() {
            let left = ready.filter { item in
                item.suspect == 0 && item.priority > lowest && !taken.contains { $0.id == item.id }
            }
            try check(left.isEmpty, "items \(left.map(\.id)) of a higher priority were left behind")
        }
    }

    /// The model follows a lease that was granted rightly.
    private mutating func grant(_ lease: Lease, takesAll: Bool) throws {
        let known = model.leases.map(\.lease.id) + lost.map(\.id)
        try check(!known.contains(lease.id), "lease \(lease.id) was handed out twice")
        for item in lease.items {
            var expected: ModelItem?
            model.change(item.id, of: lease.stage) {
                $0.fate = .leased(lease.id)
                $0.claims += 1
                expected = $0
            }
            guard let expected else { continue }
            try same(item.payload, expected.payload, "the payload of item \(item.id) in its lease")
            try same(item.attempts, expected.attempts, "the attempts of item \(item.id) in its lease")
            try same(item.generation, 0, "the generation of item \(item.id) in its lease")
            if !expected.wasDone {
                try same(item.claims, expected.claims, "the claims of item \(item.id) in its lease")
            }
        }
        model.leases.append(
            ModelLease(lease: lease, suspect: lease.isSuspect ? lease.items.count : 0, takesAll: takesAll))
        note("  lease \(lease.id): \(lease.items.map(\.id))\(lease.isSuspect ? ", suspect" : "")")
    }

    mutating func claimAll(_ spec: StageSpec, _ worker: WorkerID) async throws {
        note("claim all for \(spec.name) by \(worker)")
        let answer = try await store.claimAll(spec.name, worker: worker)
        let items = model.queues[spec.input!]!
        if model.stages[spec.name]!.trip != nil {
            guard case .refused = answer else {
                throw ModelDifference(text: "a tripped stage answered a claim of all with \(answer)")
            }
        } else if model.stages[spec.name]!.hasEnded {
            try same(answer, .finished, "the answer to a claim of all after the ending")
        } else if !model.isClosed(spec.input!) || model.leases.contains(where: { $0.lease.stage == spec.name })
            || items.contains(where: { !$0.isSettled && !$0.isReady(at: model.wall) })
        {
            guard case .nothing = answer else {
                throw ModelDifference(text: "a claim of all that is not there yet was answered with \(answer)")
            }
        } else if let lease = answer.lease {
            let wanted = items.filter { !$0.isSettled || $0.fate == .done }.map(\.id)
            try same(lease.items.map(\.id).sorted(), wanted, "items of a claim of all")
            try same(lease.isSuspect, false, "whether a claim of all is suspect")
            try grant(lease, takesAll: true)
        } else {
            throw ModelDifference(text: "a claim of all was answered with \(answer)")
        }
    }

    // MARK: Settling

    private func verdict(_ settlement: ModelSettlement, of held: [ModelItem]) -> Verdict? {
        let failure = Failure("no luck")
        func each(_ chosen: [ModelItem], _ outcome: Outcome) -> Verdict? {
            chosen.isEmpty ? nil : .each(Dictionary(uniqueKeysWithValues: chosen.map { ($0.id, outcome) }))
        }
        switch settlement {
        case .all: return .done
        case .prefix(let count): return each(Array(held.prefix(count)), .done)
        case .scattered(let bits):
            return each(held.enumerated().filter { bits & (1 << UInt64($0.offset)) != 0 }.map(\.element), .done)
        case .mixed(let bits):
            var outcomes: [ItemID: Outcome] = [:]
            for (index, item) in held.enumerated() {
                outcomes[item.id] = [.done, .failed(failure), .released, nil][Int(bits >> UInt64(index * 2)) & 3]
            }
            return outcomes.isEmpty ? nil : .each(outcomes)
        case .failAll(let advice): return each(held, .failed(Failure("no luck", advice)))
        case .bury(let index):
            return pick(index, held).flatMap { each([$0], .failed(Failure("hopeless", .never))) }
        case .together(let advice): return .failedTogether(Failure("no luck", advice))
        case .released: return .released
        }
    }

    mutating func commit(
        _ held: ModelLease, _ settlement: ModelSettlement, outputs count: Int, key: Int?, next limit: Int?
    ) async throws {
        let lease = held.lease
        let items = model.held(by: lease)
        // A whole input ends as one, or is handed back: what else could become of it is not the store's.
        let verdict = held.takesAll ? (settlement == .released ? .released : .done) : verdict(settlement, of: items)
        guard let verdict else { return }
        let isEnd = held.takesAll && verdict == .done
        var step = Step(verdict, of: lease, endsStage: isEnd)
        if !held.takesAll || isEnd {
            let queues = plan.stage(lease.stage)!.outputs
            step.outputs = outputs(count, into: queues, key: key, parent: items.first?.id)
        }
        let next =
            held.takesAll ? nil : limit.map { ClaimRequest(lease.stage, worker: lease.worker, limit: $0) }
        note("commit lease \(lease.id): \(verdict), \(step.outputs.count) outputs, next \(limit ?? 0)")
        let answer = try await store.commit(step, next: next)
        model.apply(step, of: lease)
        // An empty whole input has no item that could keep its lease.
        if held.takesAll { model.leases.removeAll { $0.lease.id == lease.id } }
        if !model.leases.contains(where: { $0.lease.id == lease.id }) { lost.append(lease) }
        if let next {
            guard let answer else { throw ModelDifference(text: "a step with a next claim was not answered") }
            try accept(answer, of: next)
        } else {
            try same(answer, nil, "the answer of a step without a next claim")
        }
    }
}
