import FaultWorkload
import Foundation
import Leat
import LeatTesting
import Subprocess
import Testing
import Torture

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

extension Faults {
    /// One process does everything: it makes the file, migrates it, puts, claims, acknowledges with outputs, completes and
    /// checkpoints; and it is killed before the Nth call that SQLite makes into the system.
    @Suite("Deaths at a call", .timeLimit(.minutes(Trial.isFull ? 60 : 10)))
    struct KillPoints {
        /// So many that there are some hundred calls beside those that make the file.
        private static let count = 36

        @Test("at each of them, lose nothing and double nothing, and the same command goes on")
        func atEachCall() async throws {
            let whole = try FaultScene()
            let (status, said) = try await whole.run("all", count: Self.count, ["FAULT_COUNT": "1"])
            #expect(status == .exited(0), "\(said)")
            let calls = try #require(Int(said.trimmingCharacters(in: .whitespacesAndNewlines)), "\(said)")
            whole.remove()
            #expect(calls > 400)

            let trial = Trial("kill at the Nth call", ci: 400, full: .max, of: "points")
            var generator = trial.generator
            let points =
                trial.count < calls
                ? Array((1...calls).shuffled(using: &generator).prefix(trial.count)) : Array(1...calls)
            var deaths = 0
            var bad = 0
            for point in points {
                let scene = try FaultScene()
                let (status, said) = try await scene.run(
                    "all", count: Self.count, ["FAULT_KILL": "\(point)", "FAULT_TELL": scene.path("told")])
                // A thread of its own checkpoints too, so that a run has a few calls more or fewer than another.
                if status == .signaled(SIGKILL) { deaths += 1 } else { #expect(status == .exited(0), "\(said)") }
                let findings = try await scene.judge(scene.told("told"), count: Self.count)
                #expect(findings.isGood, "call \(point) of \(calls), \(scene.folder.path): \(findings)")
                if findings.isGood { scene.remove() } else { bad += 1 }
            }
            #expect(deaths > points.count * 9 / 10)
            try trial.finish(
                points.count,
                finding:
                    "\(deaths) deaths among \(calls) calls; \(bad) databases lost, doubled or contradicted something")
        }
    }
}
