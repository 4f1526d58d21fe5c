import GRDB
import Leat
import LeatTesting
import Testing

@testable import LeatSQLite

@Suite("Durability", .timeLimit(.minutes(1)))
struct DurabilityTests {
    private let fixture: Fixture

    init() throws { fixture = try Fixture() }

    /// How far the connection that is in use syncs its commits: 2 at each, 1 at a checkpoint only.
    private func level(_ db: Database) throws -> Int? { try Int.fetchOne(db, sql: "PRAGMA synchronous") }

    @Test("is a stage's own, commit by commit")
    func stages() async throws {
        let pipeline = try Pipeline("levels") {
            Producer("make", to: "numbers", repeating: { 1...3 })
            Transformer(
                "fast", from: "numbers", to: "levels",
                database: { (db: Database, _: Int) in try Int.fetchAll(db, sql: "PRAGMA synchronous") }
            ).durability(.processCrash)
            Transformer(
                "safe", from: "levels", to: "both",
                database: { (db: Database, fast: Int) in
                    try Int.fetchAll(db, sql: "PRAGMA synchronous").map { "\(fast) \($0)" }
                })
            Consumer("keep", from: "both") { (_: String) in }
        }
        let store = try await SQLiteStore.open(fixture.path)

        _ = try await pipeline.runInMemory(store: store)

        let found = try await store.items(in: "both", after: nil, limit: 9).map(\.payload)
        #expect(found == Array(repeating: .text("1 2"), count: 3))
    }

    @Test("is a queue's own, and a user's transaction is always synced")
    func queues() async throws {
        let store = try await SQLiteStore.open(fixture.path)
        let fast = try await store.queue(
            "fast", of: Int.self, policy: QueuePolicy(durability: .processCrash))
        let safe = try await store.queue("safe", of: Int.self)
        func after(_ work: () async throws -> Void) async throws -> Int? {
            try await work()
            return try await withCheckedThrowingContinuation { continuation in
                store.writer.asyncWriteWithoutTransaction { db in
                    continuation.resume(with: Result { try Int.fetchOne(db, sql: "PRAGMA synchronous") })
                }
            }
        }

        #expect(try await after { try await fast.put(1) } == 1)
        #expect(try await after { try await safe.put(1) } == 2)
        #expect(try await after { _ = try await fast.claim(for: .seconds(9)) } == 1)
        #expect(
            try await after {
                _ = try await store.put([Output(.text("1"), to: "fast"), Output(.text("1"), to: "safe")])
            } == 2)
        #expect(try await after { try await fast.put(1) } == 1)
        #expect(try await store.writing { try level($0) } == 2)
    }
}
