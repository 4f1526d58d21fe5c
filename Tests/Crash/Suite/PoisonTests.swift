import Foundation
import Leat
import LeatSQLite
import LeatTesting
import Subprocess
import Testing
import Torture

extension ProcessFaults {
    /// Items that end whoever works on them, every tenth of a run.
    @Suite("Poison", .serialized, .timeLimit(.minutes(Trial.isFull ? 240 : 10)))
    struct PoisonTests {
        private static let kinds = ["exit", "abort", "hang", "memory", "fork"]

        @Test("invariant 3: each is dead after its attempts, and no innocent item is charged")
        func poison() async throws {
            let trial = Trial(
                "poison: exit, abort, endless loop, memory, child that forks", ci: 100, full: 1_000, of: "items",
                hasChoices: false)
            // All kinds in one run, one after the other.
            let poisoned = Set((0..<trial.count).map { $0 * 10 + 7 })
            let items = trial.count * 10
            let scene = try Scene([
                "CRASH_POISONS": Self.kinds.joined(separator: ","), "CRASH_ITEMS": "\(items)", "CRASH_BATCH": "4",
                "CRASH_TIMEOUT": "2",
            ])

            let status = try await scene.run("run", "--quiet", "--workers", "change=6")

            #expect(status == .exited(30), "\(scene.told(trial))")
            let store = try await scene.store()
            let dead = try await store.deadLetters(of: nil, limit: 10_000)
            #expect(Set(dead.map(\.payload)) == Set(poisoned.map { .text("\($0)") }), "\(scene.told(trial))")
            #expect(dead.allSatisfy { $0.attempts == 2 && $0.stage == "change" }, "\(scene.told(trial))")
            #expect(try await store.attempts(of: "change", item: nil, limit: 10_000).count == 2 * trial.count)
            // What was forked off holds nothing up, and ends by itself.
            try await scene.wait { _ in try scene.processes().isEmpty }
            try await scene.expectHolds(trial) { queue, payload in
                queue == "raw" && poisoned.contains { payload == .text("\($0)") }
            }
            try trial.finish(
                dead.count, finding: "each of \(Self.kinds.count) kinds dead after 2 attempts, no innocent item charged"
            )
        }
    }
}
