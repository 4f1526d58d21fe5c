import Foundation
import Leat
import LeatTesting
import Synchronization
import Testing
import Torture

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
        let trial = Trial("model, SQLite", ci: 300, full: 5_000, of: "× 50 operations")

        try await check(trial, .everything)

        try trial.finish(trial.count, finding: "equal after every operation")
    }

    @Test("no lease ends early when clocks jump, and each does at once after a reboot")
    func clocks() async throws {
        let trial = Trial("clocks, SQLite", ci: 50, full: 1_000, of: "× 50 operations")

        try await check(trial, .clocks)

        try trial.finish(trial.count, finding: "no early reclaim, at once after a reboot")
    }

    /// On tmpfs where there is one, since a sync costs nothing there.
    private func check(_ trial: Trial, _ profile: ModelProfile) async throws {
        try await trial.tryAll { seed in
            let fixture = try Fixture(inMemory: true)
            // A shrinking run opens many.
            let number = Tries()
            try await StoreModelRun(seed: seed, operations: 50, profile: profile).check { time in
                try await SQLiteStore.open("\(fixture.folder.path)/\(number.next()).db", time: time)
            }
            // With it goes the folder.
            withExtendedLifetime(fixture) {}
        }
    }
}

/// Counts the files of one seed.
private final class Tries: Sendable {
    private let count = Atomic(0)

    func next() -> Int { count.add(1, ordering: .relaxed).newValue }
}
