import Foundation
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

    /// The log is read anew when no process has the file open any more, as after a crash.
    @Test("invariant 6: keeps what follows a large transaction in which a savepoint was undone")
    func undoneSavepoint() async throws {
        let store = try await fixture.store()
        let queue: Queue<Int> = try await store.queue("numbers")
        try await store.writing { db in
            try db.execute(sql: "CREATE TABLE large (id INTEGER PRIMARY KEY, bytes BLOB)")
            try db.execute(sql: "INSERT INTO large VALUES (0, zeroblob(3000))")
            try db.inSavepoint {
                for id in 1...700 {
                    try db.execute(sql: "INSERT INTO large VALUES (?, zeroblob(3000))", arguments: [id])
                }
                try db.execute(sql: "UPDATE large SET bytes = zeroblob(2999) WHERE id > 200")
                return .rollback
            }
        }
        for number in 1...10 { try await queue.put(number) }

        let copy = fixture.folder.appending(path: "copy.db").path
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: fixture.path + suffix, toPath: copy + suffix)
        }

        let found = try await DatabaseQueue(path: copy).read { db in
            try Int.fetchAll(db, sql: "SELECT count(*) FROM q_numbers UNION ALL SELECT count(*) FROM large")
        }
        #expect(found == [10, 1])
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
