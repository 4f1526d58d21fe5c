internal import Logging
internal import Synchronization

// Stages that take items: claim, run, commit together with the next claim.
extension WorkerSession {
    func consume() async throws -> WorkerExit {
        var action = ClaimAction.claim
        while true {
            do {
                switch action {
                case .claim:
                    try await tidyUp()
                    action = isStopping ? .stop : .after(try await claim(), isStopping: isStopping)
                case .work(let lease):
                    try await tidyUp()
                    action = .after(try await workUnrefused(on: lease), isStopping: isStopping)
                case .handBack(let lease):
                    _ = try await commit(Step(.released, of: lease), next: nil)
                    action = .stop
                case .rest(let until):
                    // Who takes items one by one is woken for them alone; the others wait for what others do.
                    let input = stage.spec.takesAll ? nil : stage.spec.input
                    try await rest(for: input.map { .work(in: $0) } ?? .anything, until: until)
                    action = .claim
                case .restForRoom(let queue):
                    try await rest(for: .room(in: queue))
                    action = .claim
                case .enroll:
                    try await enrollAnew()
                    action = .claim
                case .finish: return try await finished()
                case .fail(let reason): return try await failed(reason)
                case .stop: return try await stopped()
                }
            } catch let error where error.isLateStep {
                logger.warning("A step came too late and was refused: \(error)")
                action = .enroll
            }
        }
    }

    private func claim() async throws -> Claim {
        let request = ClaimRequest(stage.name, worker: worker, limit: limit)
        let takesAll = stage.spec.takesAll
        do {
            return try await patiently { [store] in
                takesAll
                    ? try await store.claimAll(request.stage, worker: request.worker) : try await store.claim(request)
            }
        } catch let error where error.isPassing && isStopping {
            // Nothing was begun, so nothing is left behind.
            return .nothing(until: nil)
        }
    }

    /// The claim that rides in the next commit's transaction, unless no more is to be begun.
    var next: ClaimRequest? { isStopping ? nil : request(.isNotIntended) }

    func request(_ holding: ClaimRequest.Holding) -> ClaimRequest {
        ClaimRequest(stage.name, worker: worker, limit: limit, holding: holding)
    }

    /// A batch function gets as many as its stage allows, as it was written for many.
    private var limit: Int {
        if case .batch = stage.body { return stage.batch }
        return batchSize.current
    }

    /// A step that the database refuses as a whole is its batch's failure: halving finds the culprit.
    private func workUnrefused(on lease: Lease) async throws -> Claim? {
        do {
            return try await work(on: lease)
        } catch let error as LeatError where error.code == .stepRefused {
            logger.warning("A step of \(lease.items.count) items was refused: \(error)")
            guard !stage.spec.takesAll else { return try await failedWhole(lease, error) }
            return try await commit(Step(.failedTogether(Failure(from: error)), of: lease), next: next)
        }
    }

    /// The same of a step that is there already.
    func commitUnrefused(_ step: Step, next: ClaimRequest?) async throws -> Claim? {
        do {
            return try await commit(step, next: next)
        } catch let error as LeatError where error.code == .stepRefused {
            logger.warning("A step was refused: \(error)")
            return try await commit(step.failing(Failure(from: error)), next: next)
        }
    }

    private func work(on lease: Lease) async throws -> Claim? {
        defer { activity.rest() }
        switch stage.body {
        case .item(let body) where stage.concurrency > 1:
            try await workSideBySide(on: lease, body)
            return nil
        case .item(let body): return try await workAhead(on: lease) { try await workSingly(on: $0, body) }
        case .batch(let body): return try await workAhead(on: lease) { try await workTogether(on: $0, body) }
        case .all(let body): return try await workOnAll(lease, body)
        case .transactionalItem(let body): return try await workInside(on: lease, body)
        case .transactionalAll(let body): return try await workOnAllInside(lease, body)
        case .source, .after, .transactionalAfter, .stream: preconditionFailure("this stage claims in its own way")
        }
    }

    // MARK: Items

    private func workSingly(
        on lease: Lease, _ body: @Sendable (Item, inout [Output]) async throws -> Void
    ) async throws -> Worked {
        var outputs: [Output] = []
        outputs.reserveCapacity(lease.items.count)
        // Empty as long as all succeeded: then the step needs no list.
        var outcomes: [ItemID: Outcome] = [:]
        var begun = 0
        // What is behind it is committed already.
        var first = 0
        var mayCommitParts = true
        var stageError: (any Error)?
        let start = store.time.instant
        let target = BatchSize.target.nanoseconds
        var since = start
        // Bound once a batch; the box tells the item.
        try await Activity.$current.withValue(activity) {
            for item in lease.items {
                if begun > 0, isStopping || heartbeat.isLost { break }
                let now = activity.begin(begun, of: lease.items)
                begun += 1
                if mayCommitParts, begun - 1 > first, now - since >= target {
                    // Slow items are not kept back for each other.
                    activity.rest()
                    let part = lease.items[first..<(begun - 1)]
                    if try await commitPart(part, of: lease, outcomes, outputs) {
                        (outcomes, outputs, first, since) = ([:], [], begun - 1, now)
                    } else {
                        mayCommitParts = false
                    }
                    activity.begin(begun - 1, of: lease.items)
                }
                let mark = outputs.count
                do {
                    // Spares a call for each item.
                    if call.isPlain { try await body(item, &outputs) } else { try await call(body, item, &outputs) }
                    for index in mark..<outputs.count { outputs[index].parent = item.id }
                } catch {
                    outputs.removeSubrange(mark...)
                    if error.isOfTheStage {
                        // Neither it nor those after it have been worked on.
                        stageError = error
                        begun -= 1
                        break
                    }
                    outcomes[item.id] = outcome(of: error, on: item)
                }
            }
        }
        activity.rest()
        batchSize.worked(begun, in: .nanoseconds(store.time.instant - start))
        let notBegun = lease.items[begun...]
        if outcomes.isEmpty, notBegun.isEmpty, first == 0 { return .step(Step(.done, of: lease, outputs: outputs)) }
        for item in lease.items[first..<begun] where outcomes[item.id] == nil { outcomes[item.id] = .done }
        if let stageError {
            return .stageFailed(
                stageError, after: begun > first ? Step(.each(outcomes), of: lease, outputs: outputs) : nil)
        }
        for item in notBegun { outcomes[item.id] = .released }
        return .step(Step(.each(outcomes), of: lease, outputs: outputs))
    }

    /// Commits what came of some of a lease's items; the rest stays leased.
    ///
    /// - Returns: `false` when the store refuses it: then the whole lease's step will be refused, and is dealt with.
    private func commitPart(
        _ items: ArraySlice<Item>, of lease: Lease, _ outcomes: [ItemID: Outcome], _ outputs: [Output]
    ) async throws -> Bool {
        var part = outcomes
        for item in items where part[item.id] == nil { part[item.id] = .done }
        do {
            _ = try await commit(Step(.each(part), of: lease, outputs: outputs), next: nil)
        } catch let error as LeatError where error.code == .stepRefused {
            return false
        }
        progressed()
        return true
    }

    private var queue: String { stage.spec.input?.rawValue ?? "" }

    func outcome(of error: any Error, on item: Item) -> Outcome {
        if isInterruption(error) { return .released }
        let failure = stage.failure(error)
        logger.info(
            "Item \(item.id) failed at attempt \(item.attempts + 1): \(failure.reason)",
            metadata: ["queue": "\(queue)", "item": "\(item.id)", "attempt": "\(item.attempts + 1)"])
        return .failed(failure)
    }

    private func workInside(
        on lease: Lease, _ body: @escaping @Sendable (any TransactionContext, Item) throws -> [Output]
    ) async throws -> Claim? {
        let thrown = ThrownError()
        let step = TransactionalStep(of: lease, failure: stage.failure) { [activity, call] context, item in
            activity.begin(item, inTransaction: true)
            // What the store does between two calls is not the user's function.
            defer { activity.rest() }
            do {
                return try Activity.$current.withValue(activity) { try call(item) { try body(context, item) } }
            } catch let error where error.isOfTheStage {
                return try thrown.noting { throw error }
            }
        }
        let start = store.time.instant
        let claim: Claim?
        do {
            // The next claim is in this step's transaction, so what it took counts from the one after it.
            claim = try await patiently { [store, next] in
                thrown.forget()
                return try await store.commit(step, next: next)
            }
        } catch  where thrown.error != nil && error.isOfTheStage {
            // Nothing was done before it.
            return try await failedStage(error, after: nil)
        }
        progressed()
        if let error = thrown.error { return try await failedStage(error, after: nil) }
        batchSize.worked(lease.items.count, in: .nanoseconds(store.time.instant - start))
        return claim
    }

    /// Commits what was done before the stage itself failed, and charges it.
    ///
    /// What it holds else, also of what was claimed ahead, is handed back by its worker's end and by no step: a step is
    /// progress, and would clear the crash budget.
    ///
    /// - Returns: no claim: it begins anew.
    func failedStage(_ error: any Error, after step: Step?) async throws -> Claim? {
        activity.rest()
        if let step {
            _ = try await commitUnrefused(step, next: nil)
            progressed()
        }
        try await chargeStage(error)
        return nil
    }

    // MARK: Batches

    private func workTogether(on lease: Lease, _ body: BatchBody) async throws -> Worked {
        defer { activity.rest() }
        let batch = body(lease.items)
        if batch.accepted.isEmpty { return .step(Step(.each(batch.rejected.mapValues(Outcome.failed)), of: lease)) }
        do {
            try await settle(batch.rejected, of: lease)
        } catch let error as LeatError where error.code == .stepRefused {
            return .step(Step(.failedTogether(Failure(from: error)), of: lease))
        }
        activity.begin(batch: batch.accepted)
        do {
            var outputs = try await Activity.$current.withValue(activity) {
                try await call(batch: batch.accepted, batch.call)
            }
            if batch.accepted.count == 1 {
                for index in outputs.indices { outputs[index].parent = batch.accepted[0].id }
            }
            return .step(Step(.done, of: lease, outputs: outputs))
        } catch let error where error.isOfTheStage {
            return .stageFailed(error, after: nil)
        } catch {
            let failure = stage.failure(error)
            if !isInterruption(error) {
                logger.info("A batch of \(batch.accepted.count) items failed: \(failure.reason)")
            }
            return .step(Step(isInterruption(error) ? .released : .failedTogether(failure), of: lease))
        }
    }

    /// What can't be read is settled first and alone: the others are not to be halved, nor tried again, for it.
    private func settle(_ rejected: [ItemID: Failure], of lease: Lease) async throws {
        guard !rejected.isEmpty else { return }
        logger.info("\(rejected.count) items of a batch can't be read.")
        _ = try await commit(Step(.each(rejected.mapValues(Outcome.failed)), of: lease), next: nil)
    }

    // MARK: Whole inputs

    private func workOnAll(_ lease: Lease, _ body: BatchBody) async throws -> Claim? {
        let batch = body(lease.items)
        try await settle(batch.rejected, of: lease)
        // The lease has ended with its last item; the next one is on what is left: nothing.
        if batch.accepted.isEmpty, !lease.items.isEmpty { return nil }
        activity.begin(batch: batch.accepted)
        let outputs: [Output]
        do {
            outputs = try await Activity.$current.withValue(activity) {
                try await call(batch: batch.accepted, batch.call)
            }
        } catch {
            return try await failedWhole(lease, error)
        }
        activity.rest()
        _ = try await commit(Step(.done, of: lease, outputs: outputs, endsStage: true), next: nil)
        progressed()
        return nil
    }

    private func workOnAllInside(_ lease: Lease, _ body: TransactionalBatchBody) async throws -> Claim? {
        let batch = body(lease.items)
        try await settle(batch.rejected, of: lease)
        if batch.accepted.isEmpty, !lease.items.isEmpty { return nil }
        let thrown = ThrownError()
        do {
            try await patiently { [store, activity, call, accepted = batch.accepted, work = batch.call] in
                thrown.forget()
                try await store.commitAll(lease) { context, _ in
                    activity.begin(batch: accepted, inTransaction: true)
                    defer { activity.rest() }
                    return try thrown.noting {
                        try Activity.$current.withValue(activity) { try call(batch: accepted) { try work(context) } }
                    }
                }
            }
        } catch {
            // What the user's function threw is the stage's failure; what the store threw is not.
            guard let threw = thrown.error, !error.isPassing else { throw error }
            return try await failedWhole(lease, threw)
        }
        progressed()
        return nil
    }

    private func failedWhole(_ lease: Lease, _ error: any Error) async throws -> Claim? {
        activity.rest()
        if isInterruption(error) {
            _ = try await commit(Step(.released, of: lease), next: nil)
        } else {
            try await chargeStage(error)
        }
        return nil
    }
}

/// What came of a batch.
enum Worked {
    /// What is to be committed for it.
    case step(Step)
    /// The stage itself failed; the step is what was done before, if anything was.
    case stageFailed(any Error, after: Step?)
}

/// Keeps what a closure threw inside a store's transaction, to tell it from the store's own errors.
final class ThrownError: Sendable {
    private let state = Mutex<(any Error)?>(nil)

    var error: (any Error)? { state.withLock { $0 } }
    /// The step is tried again.
    func forget() { state.withLock { $0 = nil } }

    func noting<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch {
            state.withLock { $0 = error }
            throw error
        }
    }
}
