internal import Leat

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// A store with its clock, and the words that the cases are written in.
struct Bench: Sendable {
    let store: any Store
    let time: ManualTime
    let plan: Plan

    // MARK: Arranging

    /// Puts items "1"…"count", from outside the pipeline.
    func fill(_ count: Int, _ queue: QueueName = "raw") async throws {
        try await store.put((1...count).map { Output(.text("\($0)"), to: queue) })
    }

    func enroll(_ stage: StageName = "work") async throws -> WorkerID {
        // Our own number: a store that looks whether the process lives must find that it does.
        try await store.enroll(Enrollment(stage: stage, pid: ownProcess))
    }

    var ownProcess: Int32 { getpid() }

    func claim(
        _ worker: WorkerID, _ limit: Int = 100, of stage: StageName = "work", file: String = #fileID, line: Int = #line
    ) async throws -> Lease {
        let answer = try await store.claim(ClaimRequest(stage, worker: worker, limit: limit))
        guard let lease = answer.lease else {
            throw ConformanceFailure("the claim for '\(stage)' was not granted: \(answer)", file: file, line: line)
        }
        return lease
    }

    func ask(_ worker: WorkerID, _ limit: Int = 100, of stage: StageName = "work") async throws -> Claim {
        try await store.claim(ClaimRequest(stage, worker: worker, limit: limit))
    }

    @discardableResult
    func commit(
        _ verdict: Verdict, of lease: Lease, outputs: [Output] = [], ends: Bool = false, next: ClaimRequest? = nil
    ) async throws -> Claim? {
        try await store.commit(Step(verdict, of: lease, outputs: outputs, endsStage: ends), next: next)
    }

    /// Claims the first ready items of a stage and kills them for good, with a worker of its own.
    func bury(_ count: Int, of stage: StageName = "work", worker: WorkerID? = nil) async throws {
        let worker = if let worker { worker } else { try await enroll(stage) }
        let lease = try await claim(worker, count, of: stage)
        try await commit(.each(outcomes(lease, .failed(Failure("broken", .never)))), of: lease)
    }

    /// Claims everything that is ready and acknowledges it, each item with an output into each given queue.
    func drain(_ stage: StageName = "work", into queues: [QueueName] = []) async throws {
        let worker = try await enroll(stage)
        // Bounded, so that a store which hands out the same for ever fails the case instead of hanging it.
        for _ in 1...1000 {
            guard let lease = try await ask(worker, of: stage).lease else { break }
            let outputs = lease.items.flatMap { item in
                queues.map { Output(item.payload, to: $0, parent: item.id) }
            }
            try await commit(.done, of: lease, outputs: outputs)
        }
        try await store.end(worker, .finished)
    }

    func open(
        _ stage: StageName = "source", _ shard: ShardName = .whole, by worker: WorkerID? = nil,
        file: String = #fileID, line: Int = #line
    ) async throws -> ShardHold {
        let worker = if let worker { worker } else { try await enroll(stage) }
        let answer = try await store.open(ShardID(stage, shard), by: worker)
        guard case .opened(let hold) = answer else {
            throw ConformanceFailure("'\(stage)' was not opened: \(answer)", file: file, line: line)
        }
        return hold
    }

    /// Lets a shard write its end, with some last items.
    func close(_ stage: StageName = "source", _ shard: ShardName = .whole, with outputs: [Output] = []) async throws {
        let hold = try await open(stage, shard)
        try await store.emit(Emission(hold, outputs: outputs, cursor: nil, isLast: true))
        try await store.end(hold.worker, .finished)
    }

    // MARK: Looking

    func items(_ queue: QueueName = "raw") async throws -> [ItemRecord] {
        try await store.items(in: queue, after: nil, limit: 10_000)
    }

    func states(_ queue: QueueName = "raw") async throws -> [ItemState] { try await items(queue).map(\.state) }
    func item(_ id: Int64, of queue: QueueName = "raw") async throws -> ItemRecord {
        guard let record = try await items(queue).first(where: { $0.id == ItemID(id) }) else {
            throw ConformanceFailure("queue '\(queue)' shows no item \(id)", file: #fileID, line: #line)
        }
        return record
    }

    func status(_ stage: StageName = "work") async throws -> StageStatus {
        guard let status = try await store.status().first(where: { $0.stage == stage }) else {
            throw ConformanceFailure("no status of stage '\(stage)'", file: #fileID, line: #line)
        }
        return status
    }

    func state(_ stage: StageName = "work") async throws -> StageState { try await status(stage).state }
}

func outcomes(_ lease: Lease, _ outcome: Outcome) -> [ItemID: Outcome] {
    Dictionary(uniqueKeysWithValues: lease.items.map { ($0.id, outcome) })
}

func each(_ outcome: Outcome, _ ids: Int64...) -> Verdict {
    .each(Dictionary(uniqueKeysWithValues: ids.map { (ItemID($0), outcome) }))
}

extension Lease {
    var ids: [Int64] { items.map(\.id.rawValue) }
}

extension Claim {
    var isRefused: Bool { if case .refused = self { true } else { false } }
    var isNothing: Bool { if case .nothing = self { true } else { false } }
}
