import FaultWorkload
import Foundation
import Leat
import LeatSQLite
import LeatTesting
import Subprocess
import Testing
import Torture

extension Faults {
    /// Three processes work, and everything they write and sync is recorded; then the power is cut at random moments of
    /// what was recorded, and what the disk may have kept is opened again.
    @Suite("Power cuts", .timeLimit(.minutes(Trial.isFull ? 60 : 10)))
    struct PowerCuts {
        /// How many numbers a recording has, and how many cuts are tried in it.
        private static let count = 60
        private static let cuts = 200

        @Test("lose nothing that was acknowledged, and leave no half transaction")
        func full() async throws {
            let trial = Trial("power cut", ci: 2_000, full: 20_000, of: "images")
            let found = try await cut(trial.count, seed: trial.seed)

            #expect(found.images == trial.count)
            #expect(found.bad == 0, "seed \(trial.seed): \(found.examples)")
            try trial.finish(
                found.images, finding: "lost \(found.lost), duplicated \(found.unexpected), corrupt \(found.corrupt)")
        }

        @Test("control: lose commits that were to survive a process's death only, but never half of one")
        func normal() async throws {
            let trial = Trial("power cut, control NORMAL", ci: 400, full: 2_000, of: "images")
            let found = try await cut(trial.count, seed: trial.seed, variables: ["FAULT_NORMAL": "1"])

            #expect(found.lost > 0, "seed \(trial.seed): the test is blind to loss")
            #expect(found.corrupt + found.unexpected == 0, "seed \(trial.seed): \(found.examples)")
            try trial.finish(found.images, finding: "loses, as it must: \(found.lost); corrupt \(found.corrupt)")
        }

        @Test("control: corrupt a database whose syncs are ignored, as synchronous=OFF would have it")
        func off() async throws {
            let trial = Trial("power cut, control OFF", ci: 400, full: 2_000, of: "images")
            let found = try await cut(trial.count, seed: trial.seed, ignoringSyncs: true)

            #expect(found.corrupt > 0, "seed \(trial.seed): the test is blind to corruption")
            try trial.finish(found.images, finding: "corrupts, as it must: \(found.corrupt)")
        }

        private struct Found {
            var images = 0
            /// Images with something lost, or with something contradictory.
            var lost = 0
            var corrupt = 0
            var unexpected = 0
            var examples: [String] = []
            var bad: Int { lost + corrupt + unexpected }
        }

        private func cut(
            _ count: Int, seed: UInt64, variables: [String: String] = [:], ignoringSyncs: Bool = false
        ) async throws -> Found {
            var generator = SeededGenerator(seed: seed)
            let isControl = ignoringSyncs || !variables.isEmpty
            var found = Found()
            while found.images < count {
                let scene = try FaultScene()
                let recording = try await record(in: scene, variables)
                var disk = Disk(ignoresSyncs: ignoringSyncs)
                let moments = (0..<min(Self.cuts, count - found.images)).map { _ in
                    Int.random(in: 0...recording.records.count, using: &generator)
                }
                var position = 0
                for moment in moments.sorted() {
                    while position < moment {
                        disk.take(recording.records[position])
                        position += 1
                    }
                    let image = try FaultScene()
                    let findings = try await judge(
                        disk.cut(using: &generator), in: image, told: recording.told(before: moment),
                        toTheEnd: found.images % 10 == 0)
                    found.images += 1
                    if !findings.lost.isEmpty { found.lost += 1 }
                    if !findings.corrupt.isEmpty { found.corrupt += 1 }
                    if !findings.unexpected.isEmpty { found.unexpected += 1 }
                    let isExample = !findings.isGood && found.examples.count < 3
                    if isExample { found.examples.append("cut \(moment): \(findings), files at \(image.database)") }
                    // What a control breaks is what must be.
                    if !isExample || isControl { image.remove() }
                }
                scene.remove()
            }
            return found
        }

        /// A producer, and two workers of the stages after it, from an empty folder to the end.
        private func record(in scene: FaultScene, _ variables: [String: String]) async throws -> Recording {
            let log = scene.path("recording")
            let variables = variables.merging(["FAULT_RECORD": log]) { $1 }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for role in ["make", "change", "keep"] {
                    group.addTask {
                        let (status, said) = try await scene.run(role, count: Self.count, variables)
                        #expect(status == .exited(0), "\(role): \(said)")
                    }
                }
                try await group.waitForAll()
            }
            return try Recording(contentsOf: URL(filePath: log))
        }

        private func judge(
            _ files: [String: Data], in image: FaultScene, told: Set<Testimony>, toTheEnd: Bool
        ) async throws -> Findings {
            for (suffix, bytes) in files where !suffix.hasSuffix("-shm") {
                try bytes.write(to: URL(filePath: image.database + suffix))
            }
            // The host starts again, and nobody lives who lived before.
            return try await image.judge(
                told, count: Self.count, time: ManualTime(bootID: "after the cut"), toTheEnd: toTheEnd)
        }
    }
}
