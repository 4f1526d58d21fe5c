import Leat
import LeatTesting
import Testing

@Suite("The reference model")
struct StoreModelTests {
    @Test(
        "the in-memory store equals it after every operation", arguments: [0..<1_000, 1_000..<2_000] as [Range<UInt64>])
    func equalsMemory(_ seeds: Range<UInt64>) async throws {
        try await StoreModel.check(seeds: seeds, operations: 50) { time in MemoryStore(time: time) }
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
