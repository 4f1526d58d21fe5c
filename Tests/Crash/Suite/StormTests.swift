import Foundation
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
    /// Pipelines whose processes are killed many times a second, one pipeline after the other in each of five lanes.
    @Suite("Storms", .serialized, .timeLimit(.minutes(Trial.isFull ? 240 : 10)))
    struct StormTests {
        @Test("invariant 1: kill -9 of any process, again and again, changes nothing in what comes out")
        func storm() async throws {
            let trial = Trial("kill -9 storm over a three-stage pipeline", ci: 200, full: 5_000, of: "kills")
            let landed = Shared(0)
            let pipelines = Shared(0)
            let slowest = Shared(Duration.zero)

            try await withThrowingTaskGroup(of: Void.self) { lanes in
                for lane in 0..<5 as Range<UInt64> {
                    lanes.addTask {
                        var chance = SeededGenerator(seed: trial.seed &+ lane)
                        while landed.value < trial.count {
                            let windows = Bool.random(using: &chance)
                            let scene = try Scene(
                                ["CRASH_PAUSE": "800", "CRASH_TIMEOUT": "60"].merging(
                                    windows ? ["CRASH_WINDOWS": "1"] : [:]
                                ) { $1 })
                            // Many short storms rather than one long one: each has its beginning, its end and its check.
                            let storm = try await scene.shoot(
                                until: min(landed.value + 25, trial.count), landed, &chance)
                            #expect(storm.status == .exited(0), "\(scene.told(trial))")
                            #expect(storm.calm < Self.drained, "\(scene.told(trial))")
                            slowest.change { $0 = max($0, storm.calm) }
                            #expect(try await scene.kept() == (1...1000).map { $0 * 10 }, "\(scene.told(trial))")
                            try await scene.expectHolds(trial)
                            pipelines.change { $0 += 1 }
                        }
                    }
                }
                try await lanes.waitForAll()
            }

            try trial.finish(
                landed.value,
                finding:
                    "lost 0, duplicated 0 in \(pipelines.value) pipelines, each drained within \(slowest.value.components.seconds + 1) s"
            )
        }

        /// Within what a pipeline has ended after the last death: a lease and five seconds. The small size shares its cores,
        /// so that only what hangs is told from what waits for one.
        private static let drained = Trial.isFull ? LeaseTerms().duration + .seconds(5) : Trial.soon

        @Test("the oracle sees outputs that were put in a transaction of their own before the acknowledgement")
        func controlOfTransactions() async throws {
            let trial = Trial(
                "control: outputs in a transaction of their own, under kills", ci: 200, full: 200, of: "kills")
            let landed = Shared(0)
            var chance = trial.generator
            var doubled: [OracleFinding] = []

            // Until it is seen.
            while doubled.isEmpty, landed.value < trial.count {
                let scene = try Scene(["CRASH_PAUSE": "800", "CRASH_TIMEOUT": "60", "CRASH_WITHOUT": "transaction"])
                let storm = try await scene.shoot(
                    until: landed.value + 12, landed, &chance, only: "change")
                #expect(storm.status == .exited(0), "\(scene.told(trial))")
                doubled = try await scene.examination().findings.filter { $0.condition == .duplicated }
            }

            #expect(!doubled.isEmpty, "seed \(trial.seed): \(landed.value) kills and nothing doubled")
            try trial.finish(
                landed.value, finding: "fails as it must: \(doubled.count) duplicates are reported")
        }
    }
}

/// What a storm came to.
struct Storm {
    /// Of the run that ended by itself.
    let status: TerminationStatus
    /// How long that took after the last death.
    let calm: Duration
}

extension Scene {
    /// Runs the pipeline until it ends by itself, and kills its processes meanwhile; after each death of its supervisor
    /// the same command goes on.
    ///
    /// - Parameters:
    ///   - limit: how many kills are enough.
    ///   - landed: how many there were.
    ///   - stage: whose workers alone are killed; all processes if none is named.
    func shoot(
        until limit: Int, _ landed: Shared<Int>, _ chance: inout SeededGenerator, only stage: StageName? = nil
    ) async throws -> Storm {
        var status = TerminationStatus.signaled(SIGKILL)
        let last = Shared(ContinuousClock.now)
        while status == .signaled(SIGKILL) {
            let picks = (0..<200).map { _ in Int.random(in: 0..<1000, using: &chance) }
            let hits = Shared(0)
            let enough = limit - landed.value
            status = try await run("run", "--quiet") { [self] _ in
                let store = try await opened()
                for pick in picks where hits.value < enough {
                    guard let target = try await target(pick, of: stage, in: store) else { return }
                    let before = try await store.status().map(\.settled)
                    guard kill(target, SIGKILL) == 0 else { continue }
                    last.change { $0 = .now }
                    hits.change { $0 += 1 }
                    try await wait { store in
                        try await store.status().map(\.settled) != before || self.processes().isEmpty
                    }
                }
            }
            landed.change { $0 += hits.value }
        }
        return Storm(status: status, calm: .now - last.value)
    }

    /// A process to be killed, as soon as there is one; none when the run has ended.
    private func target(_ pick: Int, of stage: StageName?, in store: SQLiteStore) async throws -> Int32? {
        while true {
            let all = try processes().sorted()
            if all.isEmpty { return nil }
            let workers = try await store.workers().filter { $0.ending == nil && (stage == nil || $0.stage == stage) }
            let targets = stage == nil ? (workers.isEmpty ? [] : all) : all.filter { workers.map(\.pid).contains($0) }
            if !targets.isEmpty { return targets[pick % targets.count] }
            if stage != nil, try await store.status().first(where: { $0.stage == stage })?.state.isComplete == true {
                return nil
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
