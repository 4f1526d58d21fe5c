import Leat
import LeatTesting
import Testing
import Torture

@Suite("The reference model")
struct StoreModelTests {
    @Test("the in-memory store equals it after every operation")
    func equalsMemory() async throws {
        let trial = Trial("model, in memory", ci: 20_000, full: 200_000, of: "× 50 operations")

        try await trial.tryAll { seed in
            try await StoreModelRun(seed: seed, operations: 50).check { time in MemoryStore(time: time) }
        }

        try trial.finish(trial.count, finding: "equal after every operation")
    }

    @Test("no lease in memory ends early when clocks jump, and each does at once after a reboot")
    func clocks() async throws {
        let trial = Trial("clocks, in memory", ci: 300, full: 3_000, of: "× 50 operations")

        try await trial.tryAll { seed in
            try await StoreModelRun(seed: seed, operations: 50, profile: .clocks).check { MemoryStore(time: $0) }
        }

        try trial.finish(trial.count, finding: "no early reclaim, at once after a reboot")
    }

    @Test("sees a store that breaks a rule, and shrinks what shows it", arguments: BrokenRule.allCases)
    func sees(_ rule: BrokenRule) async throws {
        let mismatch = await #expect(throws: ModelMismatch.self) {
            try await StoreModel.check(seeds: 0..<200, operations: 50) { time in
                BrokenStore(MemoryStore(time: time), rule)
            }
        }

        let operations = try #require(mismatch?.operations)
        #expect(operations.count <= 12, "shrunk to \(operations)")
        #expect(mismatch?.description.contains("seed \(mismatch?.seed ?? .max)") == true)
    }

    @Test("the conformance suite sees a store that breaks a rule", arguments: BrokenRule.allCases)
    func suiteSees(_ rule: BrokenRule) async {
        var failed: [String] = []
        for demand in StoreConformance.cases {
            do {
                try await demand.run { time in BrokenStore(MemoryStore(time: time), rule) }
            } catch {
                failed.append(demand.name)
            }
        }

        #expect(!failed.isEmpty)
    }

    @Test("a run follows from its seed")
    func follows() async throws {
        func mismatch() async throws -> ModelMismatch? {
            await #expect(throws: ModelMismatch.self) {
                try await StoreModel.check(seeds: 0..<200, operations: 50) { time in
                    BrokenStore(MemoryStore(time: time), .everyOutputArrives)
                }
            }
        }

        let one = try await mismatch()
        let other = try await mismatch()

        #expect(one?.description == other?.description)
    }
}
