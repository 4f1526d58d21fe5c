/// The store's side of one call of a stage's stream function: what it is given, and what it answers.
///
/// It may hold items of several leases at once, as a window does. Each answer is one transaction, whatever leases its
/// items are of.
package actor StreamDesk {
    private let stage: StageDefinition
    private let store: any Store
    private let worker: WorkerID
    private let upkeep: Upkeep
    private let patience: StorePatience
    private let activity: Activity
    private let heartbeat: Heartbeat

    /// Claimed, and not given out yet.
    private var waiting: ArraySlice<Item> = []
    /// The lease of each item that is claimed and not settled.
    private var leases: [ItemID: Lease] = [:]
    private var given = 0
    /// How many are claimed at once.
    private var limit: Int
    /// Whether the function has settled anything.
    private(set) var hasAnswered = false
    /// What it was given is under suspicion, and alone.
    package private(set) var isSuspect = false
    private var mark: ChangeMark?
    /// How the input has come to its end for this call; `nil` before.
    package private(set) var ending: StreamEnding?
    /// Why the stage hands out nothing more.
    private(set) var refusal: String?
    /// What the store threw: it is not the function's.
    private(set) var storeError: (any Error)?

    init(
        _ stage: StageDefinition, on store: any Store, _ worker: WorkerID, _ upkeep: Upkeep, _ patience: StorePatience,
        _ activity: Activity, _ heartbeat: Heartbeat
    ) {
        self.stage = stage
        limit = stage.batch
        self.store = store
        self.worker = worker
        self.upkeep = upkeep
        self.patience = patience
        self.activity = activity
        self.heartbeat = heartbeat
    }

    nonisolated package var time: any TimeSource { store.time }

    package func runID() async throws -> String { try await patience.trying { [store] in try await store.runID() } }

    /// Whether the function has been given anything.
    var hasGiven: Bool { given > 0 }

    /// Whether nothing more will be given, whatever there is.
    package var isStopping: Bool { heartbeat.isLost || patience.stop.isAsked }

    // MARK: What the function is given

    /// The next item; `nil` when the input has come to its end, which ``ending`` tells, or when none has come by a time.
    package func next(by deadline: ContinuousClock.Instant? = nil) async throws -> Item? {
        activity.rest()
        do {
            while ending == nil {
                if isStopping { return end(.drain) }
                if let item = waiting.popFirst() {
                    given += 1
                    // Until the next one is asked for, or this one is answered.
                    activity.begin(item)
                    return item
                }
                // A suspect stands alone, so that what becomes of it tells whose fault it was.
                if isSuspect { return end(.drain) }
                if let deadline, deadline <= store.time.now { return nil }
                try await upkeep.look()
                try await claim(by: deadline)
            }
            return nil
        } catch {
            storeError = error
            throw error
        }
    }

    /// All that is at hand of one claim; nothing at the end of the input, which ``ending`` tells, or when none has come by
    /// a time. What is under suspicion is given by itself, as by ``next(by:)``.
    ///
    /// - Parameter limit: claims at most so many.
    package func nextBatch(
        by deadline: ContinuousClock.Instant? = nil, upTo limit: Int? = nil
    ) async throws -> [Item] {
        self.limit = min(limit ?? stage.batch, stage.batch)
        guard let first = try await next(by: deadline) else { return [] }
        let batch = [first] + waiting
        given += waiting.count
        waiting = []
        activity.begin(batch: batch)
        return batch
    }

    private func end(_ ending: StreamEnding) -> Item? {
        self.ending = ending
        return nil
    }

    private func claim(by deadline: ContinuousClock.Instant?) async throws {
        let request = ClaimRequest(stage.name, worker: worker, limit: limit, holding: .isIntended)
        let claim: Claim
        do {
            claim = try await patience.trying { [store] in try await store.claim(request) }
        } catch let error where error.isPassing && patience.stop.isAsked {
            // Nothing was begun, so nothing is left behind.
            return ending = .drain
        }
        switch claim {
        case .granted(let lease):
            isSuspect = lease.isSuspect
            for item in lease.items { leases[item.id] = lease }
            waiting = lease.items[...]
        case .nothing(let until): try await rest(for: .work(in: stage.spec.input ?? ""), until: until, deadline)
        case .full(let queue): try await rest(for: .room(in: queue), until: nil, deadline)
        case .settleFirst: ending = .drain
        case .finished: ending = .complete
        case .refused(let reason):
            refusal = reason
            ending = .drain
        }
    }

    private func rest(for what: Awaited, until due: Int64?, _ deadline: ContinuousClock.Instant?) async throws {
        let left = due.map { max($0 - store.time.wallClock, 1) } ?? 1000
        let pause = min(.milliseconds(min(left, 1000)), deadline.map { max(.zero, $0 - store.time.now) } ?? .seconds(1))
        // A mark of other work only ends the first wait early.
        mark =
            try await patience.cutShort { [store, mark] in
                try await store.change(of: what, since: mark, within: pause)
            } ?? mark
    }

    // MARK: What it answers

    /// Settles items, whatever leases they are of, and puts outputs, in one transaction.
    ///
    /// What is released is ready again, and may come back to this call.
    package func answer(_ outcomes: [ItemID: Outcome], outputs: [Output]) async throws {
        // Waiting for the store is not the function's time.
        activity.rest()
        try await settle(outcomes, outputs: outputs)
        hasAnswered = true
        activity.begin(nil)
    }

    private func settle(_ outcomes: [ItemID: Outcome], outputs: [Output] = []) async throws {
        var byLease: [LeaseID: (lease: Lease, outcomes: [ItemID: Outcome])] = [:]
        for (id, outcome) in outcomes {
            guard let lease = leases[id] else {
                throw LeatError(
                    .refused, "Item \(id) can't be answered: it was answered before, or was never given to this call.")
            }
            byLease[lease.id, default: (lease, [:])].outcomes[id] = outcome
        }
        var steps = byLease.values.sorted { $0.lease.id < $1.lease.id }.map { Step(.each($0.outcomes), of: $0.lease) }
        guard !steps.isEmpty else {
            throw LeatError(
                .refused, "An answer names the items that it answers: without one, what it puts could be put twice.")
        }
        steps[0].outputs = outputs
        try await commit(steps)
        // What has come back meanwhile is of another lease.
        for step in steps {
            for (id, lease) in leases where lease.id == step.lease && outcomes[id] != nil { leases[id] = nil }
        }
    }

    package func fail(_ item: ItemID, _ error: any Error) async throws {
        try await answer([item: .failed(stage.failure(error))], outputs: [])
    }

    private func commit(_ steps: [Step]) async throws {
        do {
            try await patience.trying { [store] in try await store.commit(steps) }
        } catch {
            // What the database refuses of an answer is the answer's fault.
            if (error as? LeatError)?.code != .stepRefused { storeError = error }
            throw error
        }
    }

    // MARK: After the call

    /// Leaves what it holds to its worker's end, which hands it back: a step, even one that only hands back, would be taken
    /// for the stage's progress.
    func leave() {
        activity.rest()
        waiting = []
        leases = [:]
    }

    /// Hands back what was not given out, and gives what was and has no answer to the failure.
    ///
    /// - Returns: whether there was any without an answer.
    func close(_ failure: Failure?) async throws -> Bool {
        activity.rest()
        if !waiting.isEmpty {
            let back = Dictionary(waiting.map { ($0.id, Outcome.released) }, uniquingKeysWith: { first, _ in first })
            waiting = []
            try await settle(back)
        }
        var left: [LeaseID: Lease] = [:]
        for lease in leases.values { left[lease.id] = lease }
        leases = [:]
        guard !left.isEmpty else { return false }
        // Of items of several leases none stood alone, even if it was alone in its lease.
        let verdict: Verdict =
            switch failure {
            case nil: .released
            case .some(let failure): left.count == 1 ? .failedTogether(failure) : .failedWithOthers(failure)
            }
        try await commit(left.values.sorted { $0.id < $1.id }.map { Step(verdict, of: $0) })
        return true
    }
}
