import FaultVFS
import FaultWorkload
import Foundation
import Leat
import LeatSQLite
import LeatTesting
import Testing
import Torture

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

extension Faults {
    /// The system answers a call of SQLite with an error, once or from then on.
    @Suite("Errors of the system", .timeLimit(.minutes(Trial.isFull ? 60 : 10)))
    struct InjectedErrors {
        private static let count = 12
        private static let kinds = [
            FAULT_OPEN, FAULT_READ, FAULT_WRITE, FAULT_SYNC, FAULT_TRUNCATE, FAULT_LOCK, FAULT_MAP, FAULT_ANY,
        ]

        @Test("become an error of ours or are overcome; nothing hangs, and after a restart nothing is lost or doubled")
        func injected() async throws {
            let trial = Trial("injected errors", ci: 500, full: 3_000, of: "errors")
            var generator = trial.generator
            #expect(fault_install() == 0)
            var tried = 0
            var told = 0
            var overcome = 0
            var bad = 0
            while tried < trial.count {
                let scene = try FaultScene()
                let kind = UInt32(Self.kinds.randomElement(using: &generator) ?? FAULT_ANY)
                let error = [EIO, ENOSPC, EINTR].randomElement(using: &generator) ?? EIO
                // SQLite takes a lock of the log, or a map of its index, that can't be had for one that another holds, and waits for
                // ten seconds: of those a few, in the whole size.
                let isQuick = kind & UInt32(FAULT_LOCK | FAULT_MAP) == 0
                let isForever = Int.random(in: 0..<50, using: &generator) < (isQuick ? 25 : Trial.isFull ? 1 : 0)
                let nth = Int.random(in: 1...(kind == UInt32(FAULT_ANY) ? 900 : 150), using: &generator)
                let what = "seed \(trial.seed), \(scene.folder.path): errno \(error) at call \(nth) of kind \(kind)"

                let alarm = Task {
                    try await Task.sleep(for: .seconds(90))
                    trial.breach(1)
                    Issue.record("\(what): it hangs")
                }
                defer { alarm.cancel() }

                fault_watch(scene.database)
                let witness = Witness()
                fault_fail(kind, nth, error, isForever ? 1 : 0)
                do {
                    try await work(in: scene, witness)
                    if fault_failures() > 0 { overcome += 1 }
                } catch let error as LeatError {
                    told += 1
                    #expect(!error.message.isEmpty)
                } catch {
                    Issue.record("\(what): \(type(of: error)), which is no error of ours: \(error)")
                }
                let failures = fault_failures()
                fault_fail(0, 0, 0, 0)
                fault_watch(nil)

                let findings = try await scene.judge(witness.told, count: Self.count)
                #expect(findings.isGood, "\(what), \(isForever ? "for good" : "once"): \(findings)")
                if findings.isGood { scene.remove() } else { bad += 1 }
                // A call that was never made is no trial.
                if failures > 0 { tried += 1 }
            }
            #expect(told > tried / 4 && overcome > 0)
            try trial.finish(
                tried,
                finding: "\(told) told, \(overcome) overcome; \(bad) databases lost, doubled or contradicted something")
        }

        private func work(in scene: FaultScene, _ witness: Witness) async throws {
            let store = try await SQLiteStore.open(scene.database, deadline: .seconds(2))
            try await store.install(Workload.plan())
            try await Workload(count: Self.count) { witness.hear($0) }.run(on: store)
        }
    }
}
