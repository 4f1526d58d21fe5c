import Foundation
import Leat
import LeatProcess
import LeatSQLite
import LeatTesting
import Subprocess
import Testing
import Torture

extension ProcessFaults {
    /// Processes that open the same new databases at the same moment.
    @Suite("Opening together", .serialized, .timeLimit(.minutes(Trial.isFull ? 240 : 10)))
    struct OpeningTests {
        @Test("sixteen processes open, migrate, claim and close, and none of them meets an error")
        func together() async throws {
            let trial = Trial(
                "16 processes open, migrate, claim, close", ci: 500, full: 20_000, of: "opens", hasChoices: false)
            let rounds = (trial.count + 15) / 16
            let scene = try Scene(["CRASH_OPENS": "\(rounds)", "CRASH_PROCESSES": "16"])

            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<16 {
                    group.addTask {
                        let status = try await scene.run("opens", at: scene.folder.path)
                        #expect(status == .exited(0), "\(scene.told(trial))")
                    }
                }
                try await group.waitForAll()
            }

            for round in 0..<rounds {
                let path = scene.folder.appending(path: "\(round)").path
                let store = try await SQLiteStore.open(path + ".db", creating: false)
                let check = OracleCheck(try OracleLog.records(path: path + ".oracle"), try await OracleView(of: store))
                #expect(check.findings == [], "\(scene.told(trial))")
                #expect(check.count(.okAck) == 16, "\(scene.told(trial))")
            }
            try trial.finish(rounds * 16, finding: "no error leaked, \(rounds * 16) items claimed once each")
        }
    }
}
