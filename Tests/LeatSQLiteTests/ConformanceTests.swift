import Leat
import LeatTesting
import Testing

@testable import LeatSQLite

@Suite("The SQLite store conforms")
struct ConformanceTests {
    @Test("in a file", arguments: StoreConformance.cases)
    func inFile(_ conformance: StoreConformance.Case) async throws {
        let fixture = try Fixture()
        try await conformance.run { time in try await SQLiteStore.open(fixture.path, time: time) }
    }

    @Test("in memory", arguments: StoreConformance.cases)
    func inMemory(_ conformance: StoreConformance.Case) async throws {
        try await conformance.run { time in try await SQLiteStore.open(":memory:", time: time) }
    }

    @Test("is equal to the model after every operation")
    func model() async throws {
        try await StoreModel.check(seeds: 0..<60, operations: 50) { time in
            try await SQLiteStore.open(":memory:", time: time)
        }
    }
}
