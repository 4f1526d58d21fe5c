import Foundation
import GRDB
import Leat
import LeatSQLite
import LeatTesting
import Subprocess
import Testing
import Torture

/// One transaction that holds the write lock for longer than many leases.
@Suite("A long transaction", .timeLimit(.minutes(Trial.isFull ? 30 : 5)))
struct LongTransactionTests {
    @Test("invariant 8: of forty seconds takes nobody's lease of two seconds away")
    func long() async throws {
        let trial = Trial(
            "a transaction of 40 s beside workers with short leases", ci: 1, full: 10, of: "transactions",
            hasChoices: false)

        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<trial.count { group.addTask { try await hold(trial) } }
            try await group.waitForAll()
        }

        try trial.finish(trial.count, finding: "nobody lost a lease of 2 s, nothing refused")
    }

    private func hold(_ trial: Trial) async throws {
        let scene = try Scene(["CRASH_PAUSE": "4000", "CRASH_TIMEOUT": "120"])

        let status = try await scene.run("run", "--quiet", "--lease", "2") { _ in
            try await scene.wait { store in try await store.status(of: "keep")?.done ?? 0 > 10 }
            try await scene.store().writing { database in
                let end = ContinuousClock.now + .seconds(40)
                while ContinuousClock.now < end { Thread.sleep(forTimeInterval: 0.1) }
                try database.execute(sql: "CREATE TABLE long (done INTEGER)")
            }
        }

        #expect(status == .exited(0), "\(scene.told(trial))")
        let store = try await scene.store()
        let lost = try await store.workers().filter { $0.ending != "finished" }
        trial.breach(lost.count)
        #expect(lost.isEmpty, "\(scene.told(trial))")
        #expect(try await store.status().allSatisfy { $0.refused == 0 && $0.failures == 0 }, "\(scene.told(trial))")
        #expect(try await scene.kept() == (1...1000).map { $0 * 10 }, "\(scene.told(trial))")
        try await scene.expectHolds(trial)
    }
}
