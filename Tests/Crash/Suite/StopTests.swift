import Foundation
import GRDB
import Leat
import LeatSQLite
import LeatTesting
import Subprocess
import Testing
import Torture

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

extension ProcessFaults {
    /// Workers that are stopped for longer than their lease, many at once.
    @Suite("Stopped workers", .serialized, .timeLimit(.minutes(Trial.isFull ? 240 : 10)))
    struct StopTests {
        /// What came of some workers that were stopped and went on.
        private struct Wake {
            let scene: Scene
            /// Those that held a lease when they were stopped.
            let stopped: Set<Int32>
        }

        @Test("invariant 2: of many workers stopped past their lease none commits anything when it goes on")
        func stopped() async throws {
            let trial = Trial("SIGSTOP past the lease, then SIGCONT", ci: 50, full: 1_000, of: "stopped workers")
            var tried = 0

            while tried < trial.count {
                let wake = try await wake(25, trial)
                let check = try await wake.scene.expectHolds(trial)
                let refused = Set(check.records.filter { $0.kind == .refused }.map(\.pid))
                #expect(refused.isSuperset(of: wake.stopped), "\(wake.scene.told(trial))")
                let counted = try await wake.scene.store().status(of: "change")?.refused
                #expect(counted == Int64(check.count(.refused)), "\(wake.scene.told(trial))")
                tried += wake.stopped.count
            }

            try trial.finish(tried, finding: "every late acknowledgement refused and counted")
        }

        @Test("the oracle sees what a store without the fence lets in")
        func controlOfFence() async throws {
            let trial = Trial(
                "control: without the fence, SIGSTOP past the lease", ci: 10, full: 10, of: "stopped workers")

            let wake = try await wake(10, trial, ["CRASH_WITHOUT": "fence"])

            let doubled = try await wake.scene.examination().findings.filter { $0.condition == .duplicated }
            #expect(!doubled.isEmpty, "\(wake.scene.told(trial))")
            try trial.finish(
                wake.stopped.count, finding: "fails as it must: \(doubled.count) duplicates are reported")
        }

        /// Stops workers while they hold items, has another one do all that is there, lets them go on, and runs to the end.
        private func wake(_ count: Int, _ trial: Trial, _ environment: [String: String] = [:]) async throws -> Wake {
            let scene = try Scene(
                ["CRASH_ITEMS": "6200", "CRASH_TIMEOUT": "60"].merging(environment) { $1 })
            // Not the last ones: what comes after them keeps the queues open, so that only the fence refuses anything.
            let make = try await scene.run("worker", "make", "--limit", "3000", "--lease", "1", with: [:]) { pid in
                try await scene.wait { store in try await store.status().first { $0.stage == "make" }?.emitted == 6000 }
                kill(pid, SIGTERM)
            }
            #expect(make == .exited(0) || make == .exited(143), "\(scene.told(trial))")
            let store = try await scene.store()
            let pids = Shared<[Int32]>([])
            let stopped = Shared<Set<Int32>>([])

            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<count {
                    group.addTask {
                        let status = try await scene.run(
                            "worker", "change", "--lease", "1", with: ["CRASH_PAUSE": "200000"]
                        ) {
                            pid in pids.change { $0.append(pid) }
                        }
                        #expect(status == .exited(143), "\(scene.told(trial))")
                    }
                }
                try await scene.wait { _ in try await scene.holders().count >= count }
                for pid in pids.value { try await scene.stop(pid) }
                let holders = try await scene.holders()
                stopped.change { $0 = holders.intersection(pids.value) }
                try await scene.sweep()
                for pid in pids.value { kill(pid, SIGCONT) }
                try await scene.wait { _ in
                    let refused = try OracleLog.records(path: scene.oracle).filter { $0.kind == .refused }.map(\.pid)
                    return Set(refused).isSuperset(of: stopped.value)
                }
                for pid in pids.value { kill(pid, SIGTERM) }
                try await group.waitForAll()
            }

            #expect(try await store.workers().count { $0.ending == "silent" } >= stopped.value.count)
            let rest = try await scene.run("run", "--quiet")
            #expect(rest == .exited(0), "\(scene.told(trial))")
            return Wake(scene: scene, stopped: stopped.value)
        }
    }
}

extension Scene {
    /// The processes that hold items.
    func holders() async throws -> Set<Int32> {
        try await store().reading { database in
            try Int32.fetchSet(
                database,
                sql: "SELECT DISTINCT w.pid FROM leat_leases l JOIN leat_workers w ON w.id = l.worker WHERE l.items > 0"
            )
        }
    }

    /// Has a worker do everything that there is, once those who held it are taken for dead.
    fileprivate func sweep() async throws {
        let status = try await run("worker", "change", "--lease", "1") { [self] pid in
            try await wait { store in
                guard let status = try await store.status(of: "change") else { return false }
                return status.ready + status.leased + status.waiting == 0
            }
            kill(pid, SIGTERM)
        }
        guard status == .exited(143) else { throw LeatError(.refused, "The sweeping worker ended with \(status).") }
    }
}
