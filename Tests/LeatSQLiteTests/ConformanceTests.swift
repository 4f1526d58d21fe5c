import Foundation
import Leat
import LeatTesting
import Synchronization
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
        // On tmpfs where there is one, since a sync costs nothing there.
        let fixture = try Fixture(inMemory: true)
        let number = Atomic(0)
        // More of them: LEAT_MODEL_SEEDS=2000 swift test --filter ConformanceTests/model
        let seeds = ProcessInfo.processInfo.environment["LEAT_MODEL_SEEDS"].flatMap(UInt64.init) ?? 60
        try await StoreModel.check(seeds: 0..<seeds, operations: 50) { time in
            let name = number.add(1, ordering: .relaxed).newValue
            return try await SQLiteStore.open("\(fixture.folder.path)/\(name).db", time: time)
        }
    }
}
