import Foundation
import Leat
import LeatSQLite

/// What a claim and an acknowledgement of 100 items cost, with few and with many items ready.
///
///     swift run -c release leat-bench-claim
@main
struct ClaimBenchmark {
    static func main() async throws {
        for depth in [1_000, 1_000_000, 1_000, 1_000_000, 1_000, 1_000_000] {
            let folder = FileManager.default.temporaryDirectory.appending(path: "leat-bench-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            try await measure(depth: depth, path: folder.appending(path: "claim.db").path)
        }
    }

    private static func measure(depth: Int, path: String) async throws {
        let store = try await SQLiteStore.open(path)
        try await store.install(
            Plan(
                pipeline: "claim",
                stages: [
                    StageSpec("put", kind: .producer, outputs: ["raw"]),
                    StageSpec("take", kind: .consumer, input: "raw"),
                ]))
        let item = Output(.text(String(repeating: "x", count: 200)), to: "raw")
        let batch = Array(repeating: item, count: 1000)
        for _ in 0..<(depth / 1000) { _ = try await store.put(batch) }

        let worker = try await store.enroll(Enrollment(stage: "take", pid: getpid()))
        let clock = ContinuousClock()
        var claims: [Duration] = []
        var steps: [Duration] = []
        for _ in 0..<10 {
            let began = clock.now
            guard case .granted(let lease) = try await store.claim(ClaimRequest("take", worker: worker, limit: 100))
            else { break }
            let claimed = clock.now
            _ = try await store.commit(Step(.done, of: lease), next: nil)
            claims.append(began.duration(to: claimed))
            steps.append(claimed.duration(to: clock.now))
        }
        print("\(depth) ready: claim of 100 \(text(claims)), acknowledgement \(text(steps))")
    }

    /// Median, least and most, in microseconds.
    private static func text(_ durations: [Duration]) -> String {
        let micros = durations.map { $0.components.attoseconds / 1_000_000_000_000 + $0.components.seconds * 1_000_000 }
            .sorted()
        guard let least = micros.first, let most = micros.last else { return "–" }
        return "\(micros[micros.count / 2]) µs (\(least)–\(most))"
    }
}
