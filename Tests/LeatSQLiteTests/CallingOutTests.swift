import CLeatSQLite
import Foundation
import GRDB
import Leat
import Logging
import Testing

@testable import LeatSQLite

/// Functions that see the database, and what they may not do to the transaction that they are called in.
@Suite("A function inside the transaction")
struct CallingOutTests {
    private let fixture: Fixture

    init() throws { fixture = try Fixture() }

    /// Ways in which a function may try to end the transaction that it is called in, each after a write of its own.
    private static let endings = [
        "INSERT INTO child VALUES (1)", "INSERT INTO parent VALUES (7); ROLLBACK",
        "INSERT INTO parent VALUES (7); COMMIT", "INSERT INTO parent VALUES (7); COMMIT; BEGIN",
        "INSERT INTO parent VALUES (7); ROLLBACK; BEGIN IMMEDIATE",
    ]

    /// A store with an item in hand, and tables of which one refuses a row at the commit.
    private func guarded(_ plan: Plan) async throws -> SQLiteStore {
        let store = try await fixture.store()
        try await store.install(plan)
        try await store.prepare { context in
            try (context as! SQLiteContext).database.execute(
                sql: """
                    CREATE TABLE parent (id INTEGER PRIMARY KEY);
                    CREATE TABLE child (parent INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)
                    """)
        }
        return store
    }

    private func expectUndone(_ store: SQLiteStore, _ step: () async throws -> Void) async throws {
        await #expect { try await step() } throws: { ($0 as? LeatError)?.code == .stepRefused }
        let rows = try await store.reading {
            try Int.fetchOne($0, sql: "SELECT (SELECT count(*) FROM parent) + (SELECT count(*) FROM child)")
        }
        #expect(rows == 0)
        #expect(try await store.verify().isEmpty)
    }

    @Test(
        "invariant 1: a step that the database refuses, or that its function tries to end, is undone",
        arguments: endings)
    func endedByItem(statements: String) async throws {
        let store = try await guarded(Fixture.line)
        try await store.fill(2)
        let lease = try #require(try await store.lease("change", try await store.worker("change")))

        try await expectUndone(store) {
            let step = TransactionalStep(of: lease) { context, _ in
                try (context as! SQLiteContext).database.execute(sql: statements)
                return []
            }
            _ = try await store.commit(step, next: nil)
        }

        #expect(try await store.states("raw") == [.leased, .leased])
    }

    /// Codes with which this store would wait, or fail.
    private static let othersErrors = [SQLITE_BUSY, SQLITE_BUSY | 2 << 8, SQLITE_CANTOPEN, SQLITE_READONLY] as [Int32]

    @Test("fails its item by an error of a database of its own, which is none of this one", arguments: othersErrors)
    func anotherDatabase(code: Int32) async throws {
        let store = try await guarded(Fixture.line)
        try await store.fill(2)
        let lease = try #require(try await store.lease("change", try await store.worker("change")))
        let error = DatabaseError(resultCode: ResultCode(rawValue: code))

        let step = TransactionalStep(of: lease) { context, item in
            try (context as! SQLiteContext).database.execute(
                sql: "INSERT INTO parent VALUES (?)", arguments: [item.id.rawValue])
            if item.id == lease.items[0].id { throw error }
            return []
        }
        _ = try await store.commit(step, next: nil)

        #expect(try await store.states("raw") == [.waiting, .done])
        #expect(try await store.reading { try Int.fetchAll($0, sql: "SELECT id FROM parent") } == [2])
    }

    @Test(
        "stops all the same where it can't be told whose database is damaged or full",
        arguments: [SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_FULL, SQLITE_IOERR | 4 << 8] as [Int32])
    func damage(code: Int32) async throws {
        let store = try await guarded(Fixture.line)

        let error = await #expect(throws: LeatError.self) {
            try await store.writing { _ in throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
        }

        #expect(error?.code == (code == SQLITE_FULL ? .diskFull : .damaged))
    }

    @Test("takes what a put within it met for the store's, whatever it throws itself")
    func ownPut() async throws {
        let store = try await guarded(Fixture.line)
        let jobs = try await store.queue("jobs", of: String.self)
        try await store.fill(1)
        let lease = try #require(try await store.lease("change", try await store.worker("change")))

        let step = TransactionalStep(of: lease) { context, _ in
            let database = (context as! SQLiteContext).database
            let pages = try #require(try Int.fetchOne(database, sql: "PRAGMA page_count"))
            try database.execute(sql: "PRAGMA max_page_count = \(pages)")
            struct NoLuck: Error {}
            do { try jobs.put(String(repeating: "x", count: 100_000), in: database) } catch { throw NoLuck() }
            return []
        }
        let error = await #expect(throws: LeatError.self) { try await store.commit(step, next: nil) }

        #expect(error?.code == .diskFull)
        #expect(try await store.states("raw") == [.leased])
    }

    /// Ways to write that GRDB has; each leaves its statement in another state.
    private static let ways: [@Sendable (Database) throws -> Void] = [
        { try $0.execute(sql: "CREATE TABLE big AS SELECT zeroblob(100000) AS x") },
        { try $0.cachedStatement(sql: "CREATE TABLE big AS SELECT zeroblob(100000) AS x").execute() },
        { _ = try Int.fetchOne($0, sql: "INSERT INTO kept VALUES (zeroblob(100000)) RETURNING length(x)") },
        { _ = try Row.fetchCursor($0, sql: "INSERT INTO kept VALUES (zeroblob(100000)) RETURNING x").next() },
    ]

    @Test("takes this database's own want of room for the store's, however it was met", arguments: ways.indices)
    func ownDatabase(way: Int) async throws {
        let store = try await guarded(Fixture.line)
        try await store.prepare { try ($0 as! SQLiteContext).database.execute(sql: "CREATE TABLE kept (x BLOB)") }
        try await store.fill(1)
        let lease = try #require(try await store.lease("change", try await store.worker("change")))

        let step = TransactionalStep(of: lease) { context, _ in
            let database = (context as! SQLiteContext).database
            let pages = try #require(try Int.fetchOne(database, sql: "PRAGMA page_count"))
            try database.execute(sql: "PRAGMA max_page_count = \(pages)")
            try Self.ways[way](database)
            return []
        }
        let error = await #expect(throws: LeatError.self) { try await store.commit(step, next: nil) }

        #expect(error?.code == .diskFull)
        #expect(try await store.states("raw") == [.leased])
    }

    @Test("throws such an error as it was where it is the step's", arguments: othersErrors)
    func anotherDatabaseOfWhole(code: Int32) async throws {
        let store = try await guarded(Fixture.line)
        let error = DatabaseError(resultCode: ResultCode(rawValue: code))

        let ways: [@Sendable () async throws -> Void] = [
            { try await store.writing { _ in throw error } }, { try await store.prepare { _ in throw error } },
        ]
        for way in ways {
            let thrown = await #expect(throws: DatabaseError.self) { try await way() }
            #expect(thrown?.extendedResultCode.rawValue == code)
        }
        #expect(try await store.put([Output(.text("1"), to: "raw")]) == 1)
    }

    @Test(
        "invariant 1: so is one on a whole input, and one that swallows what its function met",
        arguments: endings, [true, false])
    func endedByWhole(statements: String, isSwallowed: Bool) async throws {
        let store = try await guarded(
            try Plan(
                pipeline: "whole",
                stages: [
                    StageSpec("make", kind: .producer, outputs: ["raw"]),
                    StageSpec("all", kind: .consumer, input: "raw", takesAll: true),
                ]))
        try await store.fill(2, end: true)
        let worker = try await store.worker("all")
        let lease = try #require(try await store.claimAll("all", worker: worker).lease)

        try await expectUndone(store) {
            try await store.commitAll(lease) { context, _ in
                let database = (context as! SQLiteContext).database
                if isSwallowed {
                    for statement in statements.split(separator: ";") { try? database.execute(sql: "\(statement)") }
                } else {
                    try database.execute(sql: statements)
                }
                return []
            }
        }

        #expect(try await store.states("raw") == [.leased, .leased])
        #expect(try await store.status(of: "all")?.state == .running)
    }

    @Test("invariant 1: so is the one of a stage that comes after others", arguments: endings)
    func endedByAfter(statements: String) async throws {
        let store = try await guarded(
            try Plan(
                pipeline: "after",
                stages: [
                    StageSpec("make", kind: .producer, outputs: ["raw"]),
                    StageSpec("change", kind: .consumer, input: "raw"),
                    StageSpec("report", kind: .consumer, after: ["change"]),
                ]))
        try await store.fill(0, end: true)
        let worker = try await store.worker("report")
        guard case .opened(let hold) = try await store.open(ShardID("report"), by: worker) else {
            Issue.record("report can't be opened")
            return
        }

        try await expectUndone(store) {
            try await store.emit(
                Emission(hold, outputs: [], cursor: nil, isLast: true) { context in
                    try (context as! SQLiteContext).database.execute(sql: statements)
                })
        }

        #expect(try await store.status(of: "report")?.state == .running)
    }

    @Test("takes a function's conflict with its own open statement for the function's failure")
    func lockedByItself() async throws {
        let store = try await guarded(Fixture.line)
        try await store.fill(1)
        let lease = try #require(try await store.lease("change", try await store.worker("change")))

        let step = TransactionalStep(of: lease) { context, _ in
            let database = (context as! SQLiteContext).database
            try database.execute(sql: "INSERT INTO parent VALUES (1), (2)")
            let rows = try Row.fetchCursor(database, sql: "SELECT * FROM parent")
            _ = try rows.next()
            try database.execute(sql: "DROP TABLE parent")
            return []
        }
        _ = try await store.commit(step, next: nil)

        #expect(try await store.status(of: "change")?.failures == 1)
        #expect(try await store.verify().isEmpty)
    }

    @Test(
        "that throws the stage's own error charges no item, and keeps what was written for those before",
        arguments: [1, 4])
    func stageError(number: Int) async throws {
        let pipeline = try Pipeline("broken") {
            Producer("make", to: "raw", repeating: { 1...6 })
            Consumer(
                "keep", from: "raw",
                database: { (db: Database, value: Int) in
                    try db.execute(sql: "INSERT INTO kept VALUES (?)", arguments: [value])
                    if value == number { throw StageError("no such function", evidence: Evidence(exitStatus: 127)) }
                }
            )
            .tables { try $0.execute(sql: "CREATE TABLE IF NOT EXISTS kept (value INTEGER)") }
            .crashes(2).retry(RetryPolicy(base: .zero))
        }
        let store = try await fixture.store()

        let run = try await pipeline.runInMemory(store: store)

        #expect(run.outcome == .failed)
        #expect(run["keep"]?.reason?.contains("2 times in a row") == true)
        let kept = try await store.reading { try Int.fetchAll($0, sql: "SELECT value FROM kept ORDER BY value") }
        #expect(kept == Array(1..<number))
        let attempts = try await store.attempts(of: "keep", item: nil, limit: 9)
        #expect(attempts.map(\.item) == [nil, nil])
        #expect(attempts.map(\.exitStatus) == [127, 127])
        #expect(
            try await store.items(in: "raw", after: nil, limit: 9).map(\.state)
                == Array(repeating: .done, count: number - 1) + Array(repeating: .ready, count: 7 - number))
        #expect(try await store.verify() == [])
    }

    @Test("gets a whole input without what can't be read, which is dead by itself")
    func unreadable() async throws {
        let pipeline = try Pipeline("sums") {
            Producer("make", to: "raw", repeating: { [1, 3] })
            Consumer(
                "sum", whenClosed: "raw",
                database: { (db: Database, all: [Int]) in
                    try db.execute(sql: "INSERT INTO sum VALUES (?)", arguments: [all.reduce(0, +)])
                }
            )
            .tables { try $0.execute(sql: "CREATE TABLE IF NOT EXISTS sum (value INTEGER)") }
            .breaker(.off)
        }
        let store = try await fixture.store()
        try await store.install(pipeline.plan)
        let worker = try await store.worker("make")
        guard case .opened(let hold) = try await store.open(ShardID("make"), by: worker) else {
            Issue.record("make can't be opened")
            return
        }
        let outputs = ["1", "one", "3"].map { Output(.text($0), to: "raw") }
        try await store.emit(Emission(hold, outputs: outputs, cursor: nil, isLast: true))
        _ = try await store.end(worker, .finished)

        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let exit = try await StageWorker("sum", of: pipeline, on: store, pid: 1, logger: logger).work()

        #expect(exit == .finished(.completeWithErrors))
        #expect(try await store.reading { try Int.fetchAll($0, sql: "SELECT value FROM sum") } == [4])
        #expect(try await store.deadLetters(of: nil, limit: 10).map(\.item) == [ItemID(2)])
    }
}
