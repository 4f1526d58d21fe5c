internal import Leat
internal import Synchronization

/// Tells a log of each put, claim and acknowledgement, before and after.
final class OracleStore: ForwardingStore {
    let base: any Store
    private let log: OracleLog
    /// The queue that each stage takes from, as far as it was asked for.
    private let inputs = Mutex<[StageName: QueueName]>([:])
    /// What is not settled yet of each lease that was claimed here: a verdict on "all of it" names no item.
    private let leases = Mutex<[LeaseID: [ItemID]]>([:])

    init(_ base: any Store, log: OracleLog) {
        self.base = base
        self.log = log
    }

    // MARK: Putting

    func put(_ outputs: [Output]) async throws -> Int {
        log.record(outputs.map { .put(.tryPut, $0) })
        let count = try await base.put(outputs)
        log.record(outputs.map { .put(.okPut, $0) })
        return count
    }

    func put(_ outputs: [Output], at tick: Int64, of schedule: ScheduleName, after last: Int64) async throws -> Bool {
        log.record(outputs.map { .put(.tryPut, $0) })
        let isPut = try await base.put(outputs, at: tick, of: schedule, after: last)
        if isPut { log.record(outputs.map { .put(.okPut, $0) }) }
        return isPut
    }

    func emit(_ emission: Emission) async throws -> QueueName? {
        log.record(emission.outputs.map { .put(.tryPut, $0) })
        let full = try await base.emit(emission)
        log.record(emission.outputs.map { .put(.okPut, $0) })
        return full
    }

    func reopen(_ queue: QueueName, by who: String) async throws {
        log.record(OracleRecord(.reopened, queue))
        try await base.reopen(queue, by: who)
    }

    func retry(_ stage: StageName, by who: String) async throws -> Int {
        // Whatever follows from the stage's end is taken back with it.
        let plan = try await base.plan()
        log.record(plan?.queues.map { OracleRecord(.reopened, $0) } ?? [])
        return try await base.retry(stage, by: who)
    }

    // MARK: Claiming

    func claim(_ request: ClaimRequest) async throws -> Claim {
        try await noting(try await base.claim(request), of: request.stage)
    }

    func claimAll(_ stage: StageName, worker: WorkerID) async throws -> Claim {
        try await noting(try await base.claimAll(stage, worker: worker), of: stage)
    }

    private func noting(_ claim: Claim, of stage: StageName) async throws -> Claim {
        guard let queue = try await input(of: stage) else { return claim }
        switch claim {
        case .granted(let lease):
            leases.withLock { $0[lease.id] = lease.items.map(\.id) }
            log.record(
                lease.items.map {
                    OracleRecord(.claim, queue, token: lease.id, item: $0.id, value: OracleValue($0.payload))
                })
        case .finished: log.record(OracleRecord(.closed, queue))
        case .nothing, .settleFirst, .full, .refused: break
        }
        return claim
    }

    private func input(of stage: StageName) async throws -> QueueName? {
        if let queue = inputs.withLock({ $0[stage] }) { return queue }
        let queue = try await base.plan()?.stage(stage)?.input
        inputs.withLock { $0[stage] = queue }
        return queue
    }

    // MARK: Acknowledging

    func commit(_ step: Step, next: ClaimRequest?) async throws -> Claim? {
        let claim = try await telling(of: [step]) { try await base.commit(step, next: next) }
        guard let claim else { return nil }
        return try await noting(claim, of: step.stage)
    }

    func commit(_ steps: [Step]) async throws {
        try await telling(of: steps) { try await base.commit(steps) }
    }

    func commit(_ step: TransactionalStep, next: ClaimRequest?) async throws -> Claim? {
        guard let queue = try await input(of: step.lease.stage) else {
            return try await base.commit(step, next: next)
        }
        let acknowledged = Mutex<[OracleRecord]>([])
        var told = step
        told.body = { [log] context, item in
            do {
                let outputs = try step.body(context, item)
                let acknowledgement = OracleRecord(.tryAck, queue, token: step.lease.id, item: item.id)
                let puts = outputs.map { OracleRecord.put(.tryPut, $0, token: step.lease.id, from: item.id) }
                log.record([acknowledgement] + puts)
                acknowledged.withLock { $0 += [acknowledgement.as(.okAck)] + puts.map { $0.as(.okPut) } }
                return outputs
            } catch {
                log.record(OracleRecord(.fail, queue, token: step.lease.id, item: item.id))
                throw error
            }
        }
        let claim = try await refusing(step.lease.id, in: queue) { [told] in
            try await base.commit(told, next: next)
        }
        log.record(acknowledged.withLock { $0 })
        leases.withLock { _ = $0.removeValue(forKey: step.lease.id) }
        guard let claim else { return nil }
        return try await noting(claim, of: step.lease.stage)
    }

    func commitAll(
        _ lease: Lease, body: @escaping @Sendable (any TransactionContext, [Item]) throws -> [Output]
    ) async throws {
        guard let queue = try await input(of: lease.stage) else { return try await base.commitAll(lease, body: body) }
        let acknowledgements = lease.items.map { OracleRecord(.tryAck, queue, token: lease.id, item: $0.id) }
        let made = Mutex<[OracleRecord]>([])
        try await refusing(lease.id, in: queue) {
            try await base.commitAll(lease) { [log] context, items in
                let outputs = try body(context, items)
                let puts = outputs.map { OracleRecord.put(.tryPut, $0, token: lease.id) }
                log.record(acknowledgements + puts)
                made.withLock { $0 = puts }
                return outputs
            }
        }
        log.record((acknowledgements.map { $0.as(.okAck) }) + made.withLock { $0.map { $0.as(.okPut) } })
        leases.withLock { _ = $0.removeValue(forKey: lease.id) }
    }

    private func telling<Value>(of steps: [Step], _ commit: () async throws -> Value) async throws -> Value {
        var records: [OracleRecord] = []
        for step in steps {
            guard let queue = try await input(of: step.stage) else { continue }
            records += settled(step, in: queue) + step.outputs.map { .put(.tryPut, $0, token: step.lease) }
        }
        log.record(records)
        let value: Value
        do {
            value = try await commit()
        } catch let error as LeatError where error.code == .leaseLost {
            for step in steps {
                guard let queue = try await input(of: step.stage) else { continue }
                log.record(OracleRecord(.refused, queue, token: step.lease))
            }
            throw error
        }
        log.record(
            records.compactMap { record in
                switch record.kind {
                case .tryAck: record.as(.okAck)
                case .tryPut: record.as(.okPut)
                default: nil
                }
            })
        for step in steps { forget(step) }
        return value
    }

    private func refusing<Value>(
        _ lease: LeaseID, in queue: QueueName, _ commit: () async throws -> Value
    ) async throws -> Value {
        do {
            return try await commit()
        } catch let error as LeatError where error.code == .leaseLost {
            log.record(OracleRecord(.refused, queue, token: lease))
            throw error
        }
    }

    /// What a step is about to say of its items.
    private func settled(_ step: Step, in queue: QueueName) -> [OracleRecord] {
        func all(_ kind: OracleRecord.Kind) -> [OracleRecord] {
            leases.withLock { $0[step.lease] ?? [] }.map { OracleRecord(kind, queue, token: step.lease, item: $0) }
        }
        switch step.verdict {
        case .done: return all(.tryAck)
        // Several are halved, and nobody is charged, until one stands alone.
        case .failedTogether:
            let failed = all(.fail)
            return failed.count == 1 ? failed : []
        case .failedWithOthers, .released: return []
        case .each(let outcomes):
            return outcomes.compactMap { item, outcome in
                switch outcome {
                case .done: OracleRecord(.tryAck, queue, token: step.lease, item: item)
                case .failed: OracleRecord(.fail, queue, token: step.lease, item: item)
                case .released: nil
                }
            }
        }
    }

    /// What a step has settled is no longer its lease's.
    private func forget(_ step: Step) {
        leases.withLock { leases in
            guard case .each(let outcomes) = step.verdict else {
                leases[step.lease] = nil
                return
            }
            let left = leases[step.lease]?.filter { outcomes[$0] == nil } ?? []
            leases[step.lease] = left.isEmpty ? nil : left
        }
    }
}

extension OracleRecord {
    static func put(_ kind: Kind, _ output: Output, token: LeaseID? = nil, from item: ItemID? = nil) -> OracleRecord {
        OracleRecord(
            kind, output.queue, token: token, item: token == nil ? nil : output.parent ?? item,
            value: OracleValue(output.payload), key: output.key.map(OracleValue.init(key:)))
    }

    /// The same thing, further on.
    func `as`(_ kind: Kind) -> OracleRecord {
        var record = self
        record.kind = kind
        return record
    }
}
