public import Leat
public import LeatSQLite

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// A short pipeline, worked through by hand: numbers are made, changed and kept, with little in each transaction, so that
/// many different moments come soon.
///
/// Before and after each transaction it tells a witness what it is about to do and what was acknowledged to it. The witness
/// stands outside the database, and ``Inquest`` holds the database against it.
///
/// It may be cut off at any moment, and begun again on what is left.
public struct Workload: Sendable {
    public let count: Int
    /// How many items a transaction has.
    public let batch: Int
    private let tell: @Sendable (Testimony) -> Void

    public init(count: Int, batch: Int = 3, tell: @escaping @Sendable (Testimony) -> Void) {
        self.count = count
        self.batch = batch
        self.tell = tell
    }

    /// - Parameter durability: what the commits of its stages are to survive.
    public static func plan(_ durability: Durability = .powerCut) throws -> Plan {
        let policy = StagePolicy(
            retry: RetryPolicy(attempts: 20, base: .milliseconds(1), kills: 100), breaker: .off, crashes: 1_000,
            durability: durability)
        return try Plan(
            pipeline: "faults",
            stages: [
                StageSpec("make", kind: .producer, outputs: ["raw"], policy: policy),
                StageSpec("change", kind: .transformer, input: "raw", outputs: ["cooked"], policy: policy),
                StageSpec("keep", kind: .consumer, input: "cooked", policy: policy),
            ])
    }

    /// All of it, one stage after the other, as far as it is not done yet.
    public func run(on store: SQLiteStore) async throws {
        _ = try await store.reap(supervisor: nil)
        try await make(on: store)
        try await store.checkpoint()
        try await work("change", on: store)
        try await work("keep", on: store)
        try await store.checkpoint()
    }

    /// Puts the numbers from the cursor on, and tells the end.
    public func make(on store: SQLiteStore) async throws {
        let worker = try await store.enroll(Enrollment(stage: "make", pid: getpid()))
        switch try await store.open(ShardID("make"), by: worker) {
        case .opened(let hold):
            var next = (hold.cursor.flatMap(Int.init) ?? 0) + 1
            while next <= count {
                let last = min(next + batch - 1, count)
                let values = next...last
                for value in values { tell(.tries(value)) }
                let outputs = values.map { Output(.text("\($0)"), to: "raw") }
                _ = try await store.emit(Emission(hold, outputs: outputs, cursor: "\(last)", isLast: last == count))
                for value in values { tell(.put(value)) }
                next = last + 1
            }
        case .complete: break
        case .live, .notYet, .refused: throw WorkloadTrouble("the producer was not opened")
        }
        _ = try await store.end(worker, .finished)
    }

    /// Claims and settles until its stage has finished.
    ///
    /// - Parameter pause: called between two steps.
    public func work(
        _ stage: StageName, on store: SQLiteStore, pause: @Sendable (Int) async throws -> Void = { _ in }
    ) async throws {
        let worker = try await store.enroll(Enrollment(stage: stage, pid: getpid()))
        let request = ClaimRequest(stage, worker: worker, limit: batch)
        var claim = try await store.claim(request)
        var steps = 0
        while true {
            switch claim {
            case .granted(let lease):
                let outputs =
                    stage == "change"
                    ? lease.items.map { Output(.text("c\($0.payload.preview)"), to: "cooked", parent: $0.id) } : []
                let next = try await store.commit(Step(.done, of: lease, outputs: outputs), next: request)
                for item in lease.items { tell(.settled(stage, item.id)) }
                steps += 1
                try await pause(steps)
                claim = if let next { next } else { try await store.claim(request) }
            case .finished:
                _ = try await store.end(worker, .finished)
                return
            case .nothing, .settleFirst, .full:
                // Another's, or not yet due.
                try await Task.sleep(for: .milliseconds(2))
                claim = try await store.claim(request)
            case .refused(let reason): throw WorkloadTrouble("stage '\(stage)' may not go on: \(reason)")
            }
        }
    }
}

/// The workload could not go on, for a reason that none of the faults explains.
public struct WorkloadTrouble: Error, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}

/// What a process tells outside the database.
public enum Testimony: Sendable, Hashable {
    /// It is about to put this number.
    case tries(Int)
    /// The put of this number was acknowledged.
    case put(Int)
    /// The settlement of this item by this stage was acknowledged.
    case settled(StageName, ItemID)

    /// A line, to be read by ``init(_:)``.
    public var line: String {
        switch self {
        case .tries(let value): "tries \(value)"
        case .put(let value): "put \(value)"
        case .settled(let stage, let item): "settled \(stage) \(item)"
        }
    }

    public init?(_ line: some StringProtocol) {
        let words = line.split(separator: " ")
        switch (words.first, words.count) {
        case ("tries", 2): self = .tries(Int(words[1]) ?? -1)
        case ("put", 2): self = .put(Int(words[1]) ?? -1)
        case ("settled", 3):
            guard let stage = StageName(rawValue: String(words[1])), let item = Int64(words[2]) else { return nil }
            self = .settled(stage, ItemID(item))
        default: return nil
        }
    }
}
