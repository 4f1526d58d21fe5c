import Foundation
import GRDB
import Leat
import LeatTesting
import Synchronization
import Testing

@testable import LeatSQLite

private struct Broken: Error {}

extension SQLiteStore {
    /// What the kernel does when the process dies.
    fileprivate func loseLocks() throws {
        shared.withLock { shared in
            for lock in shared.workerLocks.values { lock.release() }
            shared.workerLocks = [:]
        }
    }
}

/// Queues on their own in a file, and within the transactions of whoever uses them.
@Suite("Queues in a database", .timeLimit(.minutes(1)))
struct QueuesInDatabaseTests {
    private let fixture: Fixture

    init() throws { fixture = try Fixture() }

    /// A connection of the user's own to the same file, as the documentation shows it.
    private func pool(_ store: SQLiteStore?, path: String? = nil) throws -> DatabasePool {
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        if let store { configuration.prepareDatabase { db in try store.setUp(db) } }
        return try DatabasePool(path: path ?? fixture.path, configuration: configuration)
    }

    private func orders(_ store: SQLiteStore) async throws -> [Int] {
        try await store.reading { db in try Int.fetchAll(db, sql: "SELECT number FROM orders ORDER BY number") }
    }

    private func table(_ store: SQLiteStore) async throws {
        try await store.writing { db in try db.execute(sql: "CREATE TABLE orders (number INTEGER)") }
    }

    @Test("commit a row and its job together, or neither, on Leat's own connection")
    func together() async throws {
        let store = try await fixture.store()
        let jobs = try await store.queue("jobs", of: Int.self)
        try await table(store)

        try await store.writing { db in
            try db.execute(sql: "INSERT INTO orders VALUES (1)")
            #expect(try jobs.put(1, key: "1", in: db))
            #expect(try !jobs.put(1, key: "1", in: db))
        }
        await #expect(throws: Broken.self) {
            try await store.writing { db in
                try db.execute(sql: "INSERT INTO orders VALUES (2)")
                #expect(try jobs.put(contentsOf: [2, 3], in: db) == 2)
                throw Broken()
            }
        }

        #expect(try await orders(store) == [1])
        #expect(try await jobs.claim(upTo: 9, for: .seconds(9)).batch?.values == [1])
        #expect(try await store.verify() == [])
    }

    @Test("commit a row and its job together, or neither, on a connection of the user's own")
    func ownConnection() async throws {
        let store = try await fixture.store()
        let jobs = try await store.queue("jobs", of: Int.self)
        try await table(store)
        let pool = try pool(store)
        #expect(try await pool.read { db in try Int.fetchOne(db, sql: "PRAGMA cache_spill") } == 0)

        try await pool.write { db in
            try db.execute(sql: "INSERT INTO orders VALUES (1)")
            try jobs.put(1, due: .now, priority: 2, in: db)
        }
        await #expect(throws: Broken.self) {
            try await pool.write { db in
                try db.execute(sql: "INSERT INTO orders VALUES (2)")
                try jobs.put(2, in: db)
                throw Broken()
            }
        }

        #expect(try await orders(store) == [1])
        #expect(try await jobs.claim(upTo: 9, for: .seconds(9)).batch?.values == [1])
        #expect(try await store.verify() == [])
    }

    @Test("refuse a connection that would checkpoint by itself, another file, and the lack of a transaction")
    func refusals() async throws {
        let store = try await fixture.store()
        let jobs = try await store.queue("jobs", of: Int.self)
        let other = try pool(store, path: fixture.folder.appending(path: "other.db").path)
        let refused = { (what: String, body: () async throws -> Void) async in
            let error = await #expect(throws: LeatError.self) { try await body() }
            #expect(error?.code == .refused)
            #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
        }

        await refused("setUp") { try await pool(nil).write { db in _ = try jobs.put(1, in: db) } }
        await refused("other.db") { try await other.write { db in _ = try jobs.put(1, in: db) } }
        await refused("transaction") {
            try await pool(store).writeWithoutTransaction { db in _ = try jobs.put(1, in: db) }
        }
        let remembered = try await MemoryStore().queue("jobs", of: Int.self)
        await refused("SQLite") { try await pool(store).write { db in _ = try remembered.put(1, in: db) } }
        #expect(try await jobs.status().ready == 0)
    }

    @Test("invariant 1: acknowledge within the user's transaction, so that what it writes takes effect once")
    func acknowledges() async throws {
        let store = try await fixture.store()
        let jobs = try await store.queue("jobs", of: Int.self)
        let others = try await fixture.store().queue("jobs", of: Int.self)
        try await table(store)
        let pool = try pool(store)
        try await jobs.put(contentsOf: [1, 2])
        let late = try #require(try await jobs.claim(upTo: 2, for: .seconds(10)).batch)
        fixture.time.advance(by: .seconds(10))
        let batch = try #require(try await others.claim(upTo: 2, for: .seconds(10)).batch)

        for body in [
            { (db: Database) in try late.acknowledge(in: db) }, { db in try late.items[1].acknowledge(in: db) },
        ] as [@Sendable (Database) throws -> Void] {
            let error = await #expect(throws: LeatError.self) {
                try await pool.write { db in
                    try db.execute(sql: "INSERT INTO orders VALUES (99)")
                    try body(db)
                }
            }
            #expect(error?.code == .leaseLost)
        }
        try await pool.write { db in
            try db.execute(sql: "INSERT INTO orders VALUES (1)")
            try batch.items[0].acknowledge(in: db)
        }
        try await store.writing { db in
            try db.execute(sql: "INSERT INTO orders VALUES (2)")
            try batch.acknowledge(in: db)
        }

        #expect(try await orders(store) == [1, 2])
        #expect(try await jobs.status().done == 2)
        #expect(try await store.verify() == [])
    }

    @Test("put many rows and jobs in one transaction of the user's own, and tell GRDB of the commit")
    func many() async throws {
        let store = try await fixture.store()
        let jobs = try await store.queue("jobs", of: Int.self)
        try await table(store)
        let commits = Mutex(0)

        for pool in [try pool(store), nil] {
            let body: @Sendable (Database) throws -> Void = { db in
                db.afterNextTransaction { _ in commits.withLock { $0 += 1 } }
                for number in 1...500 {
                    try db.execute(sql: "INSERT INTO orders VALUES (?)", arguments: [number])
                    try jobs.put(number, in: db)
                }
            }
            if let pool { try await pool.write(body) } else { try await store.writing(body) }
        }

        #expect(commits.withLock { $0 } == 2)
        #expect(try await jobs.status().ready == 1000)
        #expect(try await orders(store).count == 1000)
    }

    @Test("give the user's own errors back as they were thrown")
    func ownErrors() async throws {
        let store = try await fixture.store()
        try await store.writing { db in try db.execute(sql: "CREATE TABLE one (number INTEGER UNIQUE)") }

        let error = await #expect(throws: DatabaseError.self) {
            try await store.writing { db in try db.execute(sql: "INSERT INTO one VALUES (1), (1)") }
        }

        #expect(error?.extendedResultCode == .SQLITE_CONSTRAINT_UNIQUE)
        #expect(try await store.reading { try Int.fetchOne($0, sql: "SELECT count(*) FROM one") } == 0)
    }

    @Test("refuse a connection that only reads, and more queues than a view can show")
    func more() async throws {
        let store = try await fixture.store()
        let jobs = try await store.queue("jobs", of: Int.self)
        let pool = try pool(store)

        let error = await #expect(throws: (any Error).self) {
            try await pool.read { db in _ = try jobs.put(1, in: db) }
        }
        #expect((error as? LeatError)?.code == .refused, "\(String(describing: error))")
        for number in 2...200 { _ = try await store.queue(QueueName(checking: "q\(number)"), of: Int.self) }
        let refusal = await #expect(throws: LeatError.self) { try await store.queue("last", of: Int.self) }
        #expect(refusal?.code == .refused)
        #expect(try await store.queues().count == 200)
        #expect(try await store.status().count == 200)
    }

    @Test("invariant 3: suspect those that the dead held, though their leases were over when it was found")
    func deadBeforeExpired() async throws {
        let dying = try await fixture.store()
        let jobs = try await dying.queue("jobs", of: Int.self)
        try await jobs.put(contentsOf: [1, 2])
        _ = try await jobs.claim(upTo: 2, for: .seconds(10))
        try dying.loseLocks()
        fixture.time.advance(by: .seconds(60))

        let store = try await fixture.store()
        let batch = try #require(try await store.queue("jobs", of: Int.self).claim(upTo: 2, for: .seconds(10)).batch)

        #expect(batch.items.count == 1)
        #expect(batch.held.lease.isSuspect)
        #expect(try await store.workers().first?.ending == "killed")
    }

    @Test("invariant 3: charge nobody for a death of a process that had something else in hand as well")
    func diedTogether() async throws {
        for handles in 1...2 {
            let fixture = try Fixture()
            var dying = try await fixture.store()
            // Who is forgotten hands back what he holds.
            var handed: [Queue<Int>] = []
            let names: [QueueName] = handles == 1 ? ["mails"] : ["mails", "pdfs"]
            for death in 1...3 {
                for name in names {
                    let queue = try await dying.queue(name, of: Int.self)
                    handed.append(queue)
                    if death == 1 { try await queue.put(contentsOf: 1...1) }
                    _ = try await queue.claim(for: .seconds(3600))
                }
                try dying.loseLocks()
                let next = try await fixture.store()
                _ = try await next.reap(supervisor: nil)
                dying = next
            }

            let mail = try #require(try await dying.items(in: "mails", after: nil, limit: 1).first)
            #expect(mail.kills == (handles == 1 ? 2 : 0))
            #expect(mail.suspect == 1)
            #expect(handed.count == handles * 3)
        }
    }

    @Test("are found by who had the file open before they were made, and by the pipeline that comes later")
    func madeLater() async throws {
        let early = try await fixture.store()
        _ = try await early.queue("first", of: Int.self)
        let late = try await fixture.store()
        let jobs = try await late.queue("jobs", of: Int.self)
        try await jobs.put(1)

        #expect(try await early.put([Output(.text("2"), to: "jobs")]) == 1)
        #expect(try await early.queues().map(\.queue.rawValue).sorted() == ["first", "jobs"])
        #expect(try await early.items(in: "jobs", after: nil, limit: 9).count == 2)
        try await late.install(Fixture.line)
        #expect(try await early.status().map(\.stage.rawValue).sorted() == ["change", "first", "jobs", "keep", "make"])
        try await early.install(Fixture.line)
        #expect(try await early.queue("jobs", of: Int.self).claim(upTo: 9, for: .seconds(9)).batch?.values == [1, 2])
        let views = try await early.reading { db in
            try String.fetchAll(db, sql: "SELECT stage FROM leat_stage_status ORDER BY stage")
        }
        #expect(views == ["change", "first", "jobs", "keep", "make"])
        #expect(try await early.verify() == [])
    }

    @Test("refuse a pipeline that has a queue or a stage of the same name")
    func collisions() async throws {
        let store = try await fixture.store()
        _ = try await store.queue("raw", of: Int.self)

        let error = await #expect(throws: LeatError.self) { try await store.install(Fixture.line) }

        #expect(error?.code == .pipelineChanged)
        #expect(try await store.plan()?.pipeline == nil)
    }

    @Test("invariant 8: give the time of a long transaction to every lease that was live when it began")
    func lengthens() async throws {
        let store = try await fixture.store()
        let jobs = try await store.queue("jobs", of: Int.self)
        let others = try await store.queue("jobs", of: Int.self)
        try await jobs.put(1)
        let batch = try #require(try await jobs.claim(for: .seconds(10)).batch)
        let time = fixture.time

        try await store.writing { _ in time.advance(by: .seconds(60)) }

        guard case .empty(let due) = try await others.claim(for: .seconds(10)) else {
            Issue.record("The item was handed to another.")
            return
        }
        #expect(due == .seconds(10))
        try await batch.acknowledge()
    }

    @Test("forget who claimed from them, an hour after he has ended")
    func forgetsClaimers() async throws {
        let store = try await fixture.linear()
        let pipelines = try await store.worker("keep")
        try await store.end(pipelines, .finished)
        let jobs = try await store.queue("jobs", of: Int.self)
        _ = try await jobs.claim(for: .seconds(9))
        try await jobs.handBack()

        try await store.prune(upTo: 100)
        #expect(try await store.workers().count == 2)
        fixture.time.advance(by: .seconds(3601))
        try await store.prune(upTo: 100)

        #expect(try await store.workers().map(\.stage.rawValue) == ["keep"])
    }

    @Test("go by a policy that another process has written down, and by none that was undone")
    func changedPolicy() async throws {
        let (store, other) = (try await fixture.store(), try await fixture.store())
        let jobs = try await store.queue("jobs", of: Int.self)
        try await jobs.put(contentsOf: [1, 2, 3])
        try await jobs.claim(for: .seconds(60)).batch?.items[0].fail(Broken())
        #expect(try await jobs.status().waiting == 1)

        _ = try await other.queue("jobs", of: Int.self, policy: QueuePolicy(retry: .never, keep: .failed))
        try await jobs.claim(for: .seconds(60)).batch?.items[0].fail(Broken())
        try await jobs.claim(for: .seconds(60)).batch?.items[0].acknowledge()

        #expect(try await jobs.status().dead == 1)
        #expect(try await store.prune(upTo: 9) == 1)
        await #expect(throws: Broken.self) {
            try await store.write { transaction in
                _ = try transaction.makeQueue("jobs", policy: StagePolicy(retry: RetryPolicy(attempts: 9)))
                throw Broken()
            }
        }
        try await jobs.put(4)
        try await jobs.claim(for: .seconds(60)).batch?.items[0].fail(Broken())
        #expect(try await jobs.status().dead == 2)
        #expect(try await store.verify() == [])
    }
}
