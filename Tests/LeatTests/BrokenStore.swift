import Leat
import LeatTesting

/// A rule that ``BrokenStore`` does not keep.
enum BrokenRule: String, CaseIterable, Sendable {
    /// A step under a lost lease puts its outputs all the same, and nobody hears of it (invariant 2).
    case everyStepIsFenced
    /// The last output of a step with several is dropped (invariant 1).
    case everyOutputArrives
    /// An attempt is spent when an item is claimed (invariant 3).
    case claimsAreNoAttempts
    /// A batch whose worker died is handed out whole again (invariant 3).
    case deathsMakeSuspects
    /// A step that settles a part of a lease settles all of it (invariant 6).
    case onlyTheNamedAreSettled
    /// A producer's end is not told (invariant 5).
    case endsAreTold
    /// Delayed items are ready at once.
    case delaysAreKept
    /// Items of a group are handed out side by side.
    case groupsRunOneByOne
    /// An item that failed is handed back instead.
    case failuresAreCharged
    /// A trip is never cleared.
    case restartsClearTrips
}

/// A store that is right but for one rule.
struct BrokenStore: ForwardingStore {
    let base: any Store
    let rule: BrokenRule

    init(_ base: any Store, _ rule: BrokenRule) {
        self.base = base
        self.rule = rule
    }

    func end(_ worker: WorkerID, _ ending: WorkerEnding) async throws -> DeathAccount {
        let isForgotten = rule == .deathsMakeSuspects && ending.isSuspicious
        return try await base.end(worker, isForgotten ? .stopped : ending)
    }

    func emit(_ emission: Emission) async throws -> QueueName? {
        var emission = emission
        if rule == .endsAreTold { emission.isLast = false }
        return try await base.emit(emission)
    }

    func put(_ outputs: [Output]) async throws -> Int {
        var outputs = outputs
        if rule == .delaysAreKept { for index in outputs.indices { outputs[index].due = .now } }
        // To the store each item is a group of its own; who looks sees the groups that were asked for.
        if rule == .groupsRunOneByOne {
            for index in outputs.indices { outputs[index].group? += "/\(UInt64.random(in: 0 ... .max))" }
        }
        return try await base.put(outputs)
    }

    func claim(_ request: ClaimRequest) async throws -> Claim { shown(try await base.claim(request)) }
    func claimAll(_ stage: StageName, worker: WorkerID) async throws -> Claim {
        shown(try await base.claimAll(stage, worker: worker))
    }

    func commit(_ step: Step, next: ClaimRequest?) async throws -> Claim? {
        var step = step
        if rule == .everyOutputArrives, step.outputs.count > 1 { step.outputs.removeLast() }
        if case .each(var outcomes) = step.verdict {
            if rule == .onlyTheNamedAreSettled { step.verdict = .done }
            if rule == .failuresAreCharged {
                for (id, outcome) in outcomes {
                    if case .failed = outcome { outcomes[id] = .released }
                }
                step.verdict = .each(outcomes)
            }
        }
        do {
            return try await base.commit(step, next: next).map(shown)
        } catch let error as LeatError where error.code == .leaseLost && rule == .everyStepIsFenced {
            try await base.put(step.outputs)
            return next == nil ? nil : .nothing(until: nil)
        }
    }

    func begin(by who: String) async throws {
        if rule != .restartsClearTrips { try await base.begin(by: who) }
    }
    func restart(_ stage: StageName, by who: String) async throws {
        if rule != .restartsClearTrips { try await base.restart(stage, by: who) }
    }
    func items(in queue: QueueName, after: ItemID?, limit: Int) async throws -> [ItemRecord] {
        let records = try await base.items(in: queue, after: after, limit: limit)
        guard rule == .claimsAreNoAttempts || rule == .groupsRunOneByOne else { return records }
        return records.map { record in
            ItemRecord(
                id: record.id, payload: record.payload, key: record.key,
                group: record.group.map { String($0.prefix { $0 != "/" }) }, origin: record.origin,
                parent: record.parent, state: record.state, claims: record.claims,
                attempts: rule == .claimsAreNoAttempts ? record.claims ?? 0 : record.attempts, kills: record.kills,
                suspect: record.suspect, priority: record.priority, reason: record.reason
            )
        }
    }
    private func shown(_ claim: Claim) -> Claim {
        guard rule == .claimsAreNoAttempts, let lease = claim.lease else { return claim }
        let items = lease.items.map {
            Item(id: $0.id, payload: $0.payload, claims: $0.claims, attempts: $0.claims - 1, generation: $0.generation)
        }
        return .granted(
            Lease(id: lease.id, stage: lease.stage, worker: lease.worker, items: items, isSuspect: lease.isSuspect))
    }
}
