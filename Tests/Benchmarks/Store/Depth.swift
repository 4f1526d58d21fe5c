import ArgumentParser
import Foundation
import Leat
import LeatSQLite

/// What a claim costs where many items are ready, or done, against one where a thousand are: the two in turn.
struct Depth: AsyncParsableCommand {
    @Argument(help: "A folder; the large database stays there.") var folder: String
    @Option var items = 10_000_000
    @Option(help: "How many claims of a hundred are measured of each.") var claims = 500

    func run() async throws {
        let large = try await Side(path: folder + "/large.db")
        try await large.put(items)
        try await compare("ready", large)
        // Down to what the second comparison takes.
        try await large.take(items - claims * 100 - 2 * claims * 100)
        try await compare("done", large)
        try await large.handBack()
    }

    private func compare(_ what: String, _ large: Side) async throws {
        let path = folder + "/small-\(what).db"
        let small = try await Side(path: path)
        var times: [(large: Double, small: Double)] = []
        var acknowledgements: [(large: Double, small: Double)] = []
        for _ in 0..<claims {
            try await small.put(1000)
            let (a, b) = (try await small.step(), try await large.step())
            times.append((b.claim, a.claim))
            acknowledgements.append((b.acknowledge, a.acknowledge))
            try await small.take(900)
        }
        try await small.handBack()
        for (name, pairs) in [("claim", times), ("acknowledge", acknowledgements)] {
            let large = pairs.map(\.large).sorted()[pairs.count / 2]
            let small = pairs.map(\.small).sorted()[pairs.count / 2]
            print(what, name, String(format: "%.2f", large * 1e6), String(format: "%.2f", small * 1e6))
        }
    }
}

/// A pipeline's queue and its one worker.
private struct Side {
    let store: SQLiteStore
    let worker: WorkerID

    init(path: String) async throws {
        store = try await SQLiteStore.open(path)
        let policy = StagePolicy(durability: .processCrash)
        try await store.install(
            Plan(
                pipeline: "depth",
                stages: [
                    StageSpec("put", kind: .producer, outputs: ["raw"], policy: policy),
                    StageSpec("take", kind: .consumer, input: "raw", policy: policy),
                ]))
        worker = try await store.enroll(Enrollment(stage: "take", pid: getpid()))
    }

    func put(_ items: Int) async throws {
        let batch = Array(repeating: Output(.text(Workload.payload), to: "raw"), count: 1000)
        for _ in 0..<(items / 1000) { _ = try await store.put(batch) }
    }

    func take(_ items: Int) async throws {
        var left = items
        while left > 0 {
            let request = ClaimRequest("take", worker: worker, limit: min(1000, left))
            guard case .granted(let lease) = try await store.claim(request) else {
                throw ValidationError("there was nothing to take")
            }
            _ = try await store.commit(Step(.done, of: lease), next: nil)
            left -= lease.items.count
        }
    }

    func step() async throws -> (claim: Double, acknowledge: Double) {
        let begin = ContinuousClock.now
        guard
            case .granted(let lease) = try await store.claim(ClaimRequest("take", worker: worker, limit: 100)),
            lease.items.count == 100
        else { throw ValidationError("there were no hundred items") }
        let claimed = ContinuousClock.now
        _ = try await store.commit(Step(.done, of: lease), next: nil)
        return ((claimed - begin).inSeconds, (.now - claimed).inSeconds)
    }

    func handBack() async throws { try await store.end(worker, .stopped) }
}
