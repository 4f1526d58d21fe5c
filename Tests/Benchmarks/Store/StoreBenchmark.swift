import ArgumentParser
import BenchRecord
import Foundation
import Leat
import LeatSQLite

/// What the store's steps cost in one process, and a record of the statements that they come to.
@main
struct StoreBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "leat-bench-store",
        subcommands: [
            Prepare.self, Life.self, Hop.self, Tasks.self, Queued.self, Contend.self, Depth.self, Flight.self,
            First.self, Coder.self,
        ])
}

/// How a step is taken.
enum Path: String, ExpressibleByArgument {
    /// On the writer's thread, one after the other.
    case sync
    /// By the asynchronous functions, one after the other.
    case async
}

struct Workload: ParsableArguments {
    @Argument var database: String
    @Option var batch = 100
    @Option var items = 100_000
    @Option var path = Path.sync
    @Option(help: "normal or full") var synchronous = "full"
    @Option(help: "Write what SQLite is asked to this file.") var record: String?

    var durability: Durability { synchronous == "full" ? .powerCut : .processCrash }

    var policy: QueuePolicy {
        var policy = QueuePolicy()
        policy.durability = durability
        return policy
    }

    static let payload = String(repeating: "x", count: 200)

    /// By this process so far, to its log and its database; Linux tells.
    private static var bytesWritten: Int? {
        guard let text = try? String(contentsOfFile: "/proc/self/io", encoding: .utf8) else { return nil }
        let line = text.split(separator: "\n").first { $0.hasPrefix("wchar: ") }
        return line.flatMap { Int($0.dropFirst(7)) }
    }

    func outputs(to queue: QueueName) -> [Output] {
        Array(repeating: Output(.text(Self.payload), to: queue), count: batch)
    }

    func measure(_ phases: [(String, @Sendable (SQLiteStore) async throws -> Void)]) async throws {
        if record != nil { _ = bench_record_connections() }
        let store = try await SQLiteStore.open(database)
        _ = try await store.plan()
        if record != nil { bench_record_begin() }
        var seconds: [(String, Double)] = []
        for (name, phase) in phases {
            if record != nil { bench_record_mark() }
            let begin = ContinuousClock.now
            try await phase(store)
            let duration = (ContinuousClock.now - begin).components
            seconds.append((name, Double(duration.seconds) + Double(duration.attoseconds) / 1e18))
        }
        if let record { _ = bench_record_end(record) }
        for (name, seconds) in seconds { print(name, String(format: "%.6f", seconds)) }
        if let bytes = Self.bytesWritten { print("written", bytes) }
    }
}

struct Prepare: AsyncParsableCommand {
    @OptionGroup var load: Workload

    func run() async throws {
        let store = try await SQLiteStore.open(load.database)
        var policy = StagePolicy()
        policy.durability = load.durability
        try await store.install(
            Plan(
                pipeline: "bench",
                stages: [
                    StageSpec("put", kind: .producer, outputs: ["raw"]),
                    StageSpec("pass", kind: .transformer, input: "raw", outputs: ["cooked"], policy: policy),
                    StageSpec("take", kind: .consumer, input: "cooked", policy: policy),
                ]))
        for stage in ["pass", "take"] as [StageName] {
            _ = try await store.enroll(Enrollment(stage: stage, pid: getpid()))
        }
    }
}

/// Put, then claim and acknowledge.
struct Life: AsyncParsableCommand {
    @OptionGroup var load: Workload

    func run() async throws {
        let load = load
        let request = ClaimRequest("take", worker: WorkerID(rawValue: 2), limit: load.batch)
        let outputs = load.outputs(to: "cooked")
        try await load.measure([
            (
                "put",
                { store in
                    switch load.path {
                    case .sync:
                        try await store.blocking(surviving: load.durability) { steps in
                            for _ in 0..<(load.items / load.batch) { _ = try steps.put(outputs) }
                        }
                    case .async: for _ in 0..<(load.items / load.batch) { _ = try await store.put(outputs) }
                    }
                }
            ),
            ("take", { try await take($0, request, outputs: [], load) }),
        ])
    }
}

/// Acknowledge inputs, insert as many outputs, claim the next.
struct Hop: AsyncParsableCommand {
    @OptionGroup var load: Workload

    func run() async throws {
        let load = load
        let request = ClaimRequest("pass", worker: WorkerID(rawValue: 1), limit: load.batch)
        let inputs = load.outputs(to: "raw")
        let outputs = load.outputs(to: "cooked")
        try await load.measure([
            (
                "put",
                { store in
                    try await store.blocking(surviving: load.durability) { steps in
                        for _ in 0..<(load.items / load.batch) { _ = try steps.put(inputs) }
                    }
                }
            ),
            ("hop", { try await take($0, request, outputs: outputs, load) }),
        ])
    }
}

/// Claims and acknowledges all.
private func take(
    _ store: SQLiteStore, _ request: ClaimRequest, outputs patterns: [Output], _ load: Workload
) async throws {
    @Sendable func outputs(of lease: Lease) -> [Output] {
        guard !patterns.isEmpty else { return [] }
        return lease.items.enumerated().map { index, item in
            var output = patterns[index]
            output.parent = item.id
            return output
        }
    }
    var count = 0
    switch load.path {
    case .sync:
        count = try await store.blocking(surviving: load.durability) { steps in
            var count = 0
            var claim: Claim? = try steps.claim(request)
            while case .granted(let lease) = claim {
                count += lease.items.count
                claim = try steps.commit(Step(.done, of: lease, outputs: outputs(of: lease)), next: request)
            }
            return count
        }
    case .async:
        var claim: Claim? = try await store.claim(request)
        while case .granted(let lease) = claim {
            count += lease.items.count
            claim = try await store.commit(Step(.done, of: lease, outputs: outputs(of: lease)), next: request)
        }
    }
    guard count == load.items else { throw ValidationError("\(count) of \(load.items) items were taken") }
}

/// Many tasks of one process, each of which puts one item at a time.
struct Tasks: AsyncParsableCommand {
    @OptionGroup var load: Workload
    @Option var tasks = 8

    func run() async throws {
        let load = load
        let tasks = tasks
        try await load.measure([
            (
                "put",
                { store in
                    let queue: Queue<String> = try await store.queue("singles", policy: load.policy)
                    try await withThrowingTaskGroup { group in
                        for _ in 0..<tasks {
                            group.addTask {
                                for _ in 0..<(load.items / tasks) { _ = try await queue.put(Workload.payload) }
                            }
                        }
                        try await group.waitForAll()
                    }
                }
            )
        ])
    }
}

/// A queue on its own, used as its documentation says: put, then claim and acknowledge, in batches or one by one.
struct Queued: AsyncParsableCommand {
    @OptionGroup var load: Workload

    func run() async throws {
        let load = load
        try await load.measure([
            (
                "put",
                { store in
                    let queue: Queue<String> = try await store.queue("own", policy: load.policy)
                    if load.batch == 1 {
                        for _ in 0..<load.items { _ = try await queue.put(Workload.payload) }
                    } else {
                        let values = Array(repeating: Workload.payload, count: load.batch)
                        for _ in 0..<(load.items / load.batch) { _ = try await queue.put(contentsOf: values) }
                    }
                }
            ),
            (
                "take",
                { store in
                    let queue: Queue<String> = try await store.queue("own")
                    var count = 0
                    while case .granted(let batch) = try await queue.claim(upTo: load.batch, for: .seconds(30)) {
                        count += batch.items.count
                        try await batch.acknowledge()
                    }
                    guard count == load.items else {
                        throw ValidationError("\(count) of \(load.items) items were taken")
                    }
                }
            ),
        ])
    }
}
