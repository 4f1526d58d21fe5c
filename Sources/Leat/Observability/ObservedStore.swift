internal import Synchronization

/// A store whose steps are counted.
package final class ObservedStore: ForwardingStore {
    package let base: any Store
    package let observation: Observation
    private let state = Mutex(State())

    private struct State {
        /// How many items each lease still holds, of those that were claimed through this, and whose it is.
        var held: [LeaseID: (items: Int, worker: WorkerID)] = [:]
        var sampled: Int64?
    }

    private init(_ base: any Store, _ observation: Observation) {
        self.base = base
        self.observation = observation
    }

    /// The store itself where nothing is observed.
    package static func observing(_ store: any Store) -> any Store {
        guard !(store is ObservedStore), let observation = Observation.ofBackends() else { return store }
        return ObservedStore(store, observation)
    }

    // MARK: Putting

    package func put(_ outputs: [Output]) async throws -> Int {
        let count = try await base.put(outputs)
        counted(outputs)
        return count
    }

    package func put(
        _ outputs: [Output], at tick: Int64, of schedule: ScheduleName, after last: Int64
    ) async throws -> Bool {
        let wasPut = try await base.put(outputs, at: tick, of: schedule, after: last)
        if wasPut { counted(outputs) }
        return wasPut
    }

    package func emit(_ emission: Emission) async throws -> QueueName? {
        let full = try await refusing(emission.hold.id.stage, nil) { try await base.emit(emission) }
        counted(emission.outputs)
        return full
    }

    /// They mostly go to one queue.
    package func counted(_ outputs: [Output]) {
        var counts: [QueueName: Int] = [:]
        for output in outputs { counts[output.queue, default: 0] += 1 }
        for (queue, count) in counts { observation.count(Metric.puts, [("queue", queue.rawValue)], by: count) }
    }

    // MARK: Claiming

    package func claim(_ request: ClaimRequest) async throws -> Claim {
        let claim = try await base.claim(request)
        granted(claim)
        return claim
    }

    package func claimAll(_ stage: StageName, worker: WorkerID) async throws -> Claim {
        let claim = try await base.claimAll(stage, worker: worker)
        granted(claim)
        return claim
    }

    private func granted(_ claim: Claim?) {
        guard let lease = claim?.lease else { return }
        state.withLock { $0.held[lease.id] = (lease.items.count, lease.worker) }
        observation.count(Metric.claims, [("stage", lease.stage.rawValue)], by: lease.items.count)
        let now = base.time.wallClock
        for item in lease.items where item.claims == 1 && item.createdAt > 0 {
            observation.time(
                Metric.wait, [("stage", lease.stage.rawValue)],
                nanoseconds: Self.nanoseconds(from: item.createdAt, to: now))
        }
    }

    /// Between two times of the wall clock, in milliseconds, whatever somebody has written there.
    private static func nanoseconds(from start: Int64, to end: Int64) -> Int64 {
        let (elapsed, isOver) = end.subtractingReportingOverflow(start)
        return isOver ? 0 : min(max(elapsed, 0), .max / 1_000_000) * 1_000_000
    }

    // MARK: Settling

    package func end(_ worker: WorkerID, _ ending: WorkerEnding) async throws -> DeathAccount {
        let account = try await base.end(worker, ending)
        state.withLock { state in state.held = state.held.filter { $0.value.worker != worker } }
        return account
    }

    package func commit(_ step: Step, next: ClaimRequest?) async throws -> Claim? {
        let claim = try await refusing(step.stage, step.lease) { try await base.commit(step, next: next) }
        settled(step)
        granted(claim)
        return claim
    }

    package func commit(_ steps: [Step]) async throws {
        guard let stage = steps.first?.stage else { return try await base.commit(steps) }
        try await refusing(stage, nil) { try await base.commit(steps) }
        for step in steps { settled(step) }
    }

    package func commit(_ step: TransactionalStep, next: ClaimRequest?) async throws -> Claim? {
        let counting = CallCounts()
        var counted = step
        counted.body = { [body = step.body] context, item in
            do {
                let outputs = try body(context, item)
                counting.add(done: 1)
                return outputs
            } catch {
                // An error of the stage itself leaves the item as it was.
                if !error.isOfTheStage { counting.add(failed: 1) }
                throw error
            }
        }
        let claim = try await refusing(step.lease.stage, step.lease.id) { [counted] in
            try await base.commit(counted, next: next)
        }
        state.withLock { _ = $0.held.removeValue(forKey: step.lease.id) }
        outcome("failed", counting.failed, of: step.lease.stage)
        outcome("done", counting.done, of: step.lease.stage)
        granted(claim)
        return claim
    }

    package func commitAll(
        _ lease: Lease, body: @escaping @Sendable (any TransactionContext, [Item]) throws -> [Output]
    ) async throws {
        try await refusing(lease.stage, lease.id) { try await base.commitAll(lease, body: body) }
        state.withLock { _ = $0.held.removeValue(forKey: lease.id) }
        outcome("done", lease.items.count, of: lease.stage)
    }

    package func settled(_ step: Step) {
        counted(step.outputs)
        if case .each(let outcomes) = step.verdict {
            state.withLock { state in
                guard let held = state.held[step.lease] else { return }
                let left = held.items - outcomes.count
                state.held[step.lease] = left > 0 ? (left, held.worker) : nil
            }
            var counts: [String: Int] = [:]
            for outcome in outcomes.values { counts[outcome.word, default: 0] += 1 }
            for (word, count) in counts { outcome(word, count, of: step.stage) }
        } else {
            let left = state.withLock { $0.held.removeValue(forKey: step.lease) }?.items ?? 0
            outcome(step.verdict.word, left, of: step.stage)
        }
    }

    private func outcome(_ word: String, _ count: Int, of stage: StageName) {
        observation.count(Metric.outcomes, [("stage", stage.rawValue), ("outcome", word)], by: count)
    }

    /// Counts a step that came too late.
    private func refusing<Value>(
        _ stage: StageName, _ lease: LeaseID?, _ step: () async throws -> Value
    ) async throws -> Value {
        do {
            return try await step()
        } catch let error where error.isLateStep {
            observation.count(Metric.refused, [("stage", stage.rawValue)], by: 1)
            if let lease { state.withLock { _ = $0.held.removeValue(forKey: lease) } }
            throw error
        }
    }

    // MARK: How it stands

    /// Looks how a queue stands, every ten seconds at most: it is counted.
    package func sample(_ queue: QueueName) async throws {
        let instant = base.time.instant
        let isDue = state.withLock { state in
            guard state.sampled.map({ instant - $0 >= Duration.seconds(10).nanoseconds }) ?? true else { return false }
            state.sampled = instant
            return true
        }
        guard isDue, observation.isMeasured, let status = try await base.queues().first(where: { $0.queue == queue })
        else { return }
        let depth = status.ready + status.waiting + status.leased
        observation.gauge(Metric.depth, [("queue", queue.rawValue)], Double(depth))
        let now = base.time.wallClock
        let age = status.oldestReadyAt.map { Double(Self.nanoseconds(from: $0, to: now)) / 1e9 } ?? 0
        observation.gauge(Metric.oldestAge, [("queue", queue.rawValue)], age)
    }
}

extension Store {
    /// The store that keeps the facts, whatever observes it.
    package var unobserved: any Store { (self as? ObservedStore)?.base ?? self }
}

extension Outcome {
    fileprivate var word: String {
        switch self {
        case .done: "done"
        case .released: "released"
        case .failed(let failure): failure.postponement == nil ? "failed" : "postponed"
        }
    }
}

extension Verdict {
    fileprivate var word: String {
        switch self {
        case .done, .each: "done"
        case .released: "released"
        case .failedTogether(let failure), .failedWithOthers(let failure):
            failure.postponement == nil ? "failed" : "postponed"
        }
    }
}

/// How many of a step's items were done inside its transaction, and how many failed.
private final class CallCounts: Sendable {
    private let counts = Mutex((done: 0, failed: 0))
    var done: Int { counts.withLock { $0.done } }
    var failed: Int { counts.withLock { $0.failed } }
    func add(done: Int = 0, failed: Int = 0) {
        counts.withLock { counts in
            counts.done += done
            counts.failed += failed
        }
    }
}
