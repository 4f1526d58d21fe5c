import GRDB
import Leat
import LeatTesting
import Testing

@testable import LeatSQLite

/// Programs that use a queue by statements.
@Suite("Queues and strangers", .timeLimit(.minutes(1)))
struct StrangerTests {
    private let fixture: Fixture

    init() throws { fixture = try Fixture() }

    @Test("invariant 2: roll a stranger's transaction back when his lease is lost")
    func strangerLate() async throws {
        let store = try await SQLiteStore.open(fixture.path)
        let jobs = try await store.queue("jobs", of: Int.self)
        try await store.writing { db in try db.execute(sql: "CREATE TABLE orders (number INTEGER)") }
        try await jobs.put(1)
        try fixture.bare { db in
            try db.execute(sql: "INSERT INTO leat_workers (stage, pid) VALUES ('jobs', 0)")
            try db.execute(
                sql: "INSERT INTO leat_claims_jobs (worker, expires_at) VALUES (1, (SELECT now FROM leat_now) + 9000)")
        }
        try await store.skip(ItemID(1), of: "jobs", by: "test")

        #expect(throws: DatabaseError.self) {
            try fixture.bare { db in
                try db.execute(
                    sql: """
                        BEGIN IMMEDIATE;
                        INSERT INTO orders VALUES (1);
                        INSERT INTO leat_settlements_jobs (worker, lease, outcome) VALUES (1, 1, 'done');
                        COMMIT
                        """)
            }
        }

        #expect(try await store.reading { try Int.fetchOne($0, sql: "SELECT count(*) FROM orders") } == 0)
        #expect(try await store.verify() == [])
    }

    @Test("invariant 9: end a stranger's lease by its time on the wall")
    func stranger() async throws {
        let store = try await fixture.store()
        let jobs = try await store.queue("jobs", of: Int.self)
        try await jobs.put(contentsOf: [1, 2])
        let now = fixture.time.wallClock
        try fixture.bare { db in
            try db.execute(
                sql: """
                    INSERT INTO leat_workers (stage, pid, started_at, seen_at) VALUES ('jobs', 1, \(now), \(now));
                    INSERT INTO leat_leases
                        (queue, worker, id, lo, hi, items, taken, claims, claimed_at, expires_at, clock)
                    VALUES ('jobs', last_insert_rowid(), 1, 1, 1, 1, 1, 1, \(now), \(now + 5000), 'wall');
                    UPDATE leat_queues SET frontier = 2, last_lease = 1 WHERE name = 'jobs'
                    """)
        }

        #expect(try await store.reap(supervisor: nil) == [])
        #expect(try await jobs.claim(upTo: 9, for: .seconds(60)).batch?.values == [2])
        fixture.time.advance(by: .seconds(5))
        #expect(try await jobs.claim(upTo: 9, for: .seconds(60)).batch?.values == [1])
        #expect(try await store.verify() == [])
    }

    @Test("put by a view what is more than a payload: a key, a group, a delay, a priority")
    func putsByView() async throws {
        let store = try await SQLiteStore.open(fixture.path)
        let jobs = try await store.queue("jobs", of: String.self)
        try fixture.bare { db in
            try db.execute(
                sql: """
                    INSERT INTO leat_puts_jobs (payload) VALUES ('plain');
                    INSERT INTO leat_puts_jobs (payload, key) VALUES ('keyed', 'k');
                    INSERT INTO leat_puts_jobs (payload, key) VALUES ('twice', 'k');
                    INSERT INTO leat_puts_jobs (payload, group_id) VALUES ('a1', 'a');
                    INSERT INTO leat_puts_jobs (payload, group_id, delay_ms) VALUES ('a2', 'a', 1);
                    INSERT INTO leat_puts_jobs (payload, delay_ms) VALUES ('late', 3600000);
                    INSERT INTO leat_puts_jobs (payload, priority) VALUES ('urgent', 9)
                    """)
        }

        let states = try await store.items(in: "jobs", after: nil, limit: 99).map(\.state)
        #expect(states == [.ready, .ready, .ready, .waiting, .waiting, .ready])
        #expect(try await store.verify() == [])
        let first = try #require(try await jobs.claim(upTo: 9, for: .seconds(60)).batch)
        #expect(first.values == ["urgent", "a1", "plain", "keyed"])
        try await first.acknowledge()
        // It was due before its turn came.
        #expect(try await jobs.claim(upTo: 9, for: .seconds(60), waiting: .seconds(5)).batch?.values == ["a2"])
    }

    @Test("settle by a view an item of a group, which gives the next one its turn")
    func settlesGroup() async throws {
        let store = try await SQLiteStore.open(fixture.path)
        let jobs = try await store.queue("jobs", of: String.self, order: .byGroup { String($0.prefix(1)) })
        try await jobs.put(contentsOf: ["a1", "a2", "a3"])
        try fixture.bare { db in
            try db.execute(
                sql: """
                    INSERT INTO leat_workers (stage, pid) VALUES ('jobs', 0);
                    INSERT INTO leat_claims_jobs (worker, expires_at) VALUES (1, (SELECT now FROM leat_now) + 9000);
                    INSERT INTO leat_claims_jobs (worker, expires_at) VALUES (1, (SELECT now FROM leat_now) + 9000)
                    """)
        }
        #expect(
            try await store.items(in: "jobs", after: nil, limit: 9).map(\.state) == [.leased, .waiting, .waiting])
        try fixture.bare { db in
            try db.execute(
                sql: "INSERT INTO leat_settlements_jobs (worker, lease, outcome) VALUES (1, 1, 'done')")
        }
        #expect(try await store.items(in: "jobs", after: nil, limit: 9).map(\.state) == [.done, .ready, .waiting])
        try fixture.bare { db in
            try db.execute(
                sql: """
                    INSERT INTO leat_claims_jobs (worker, expires_at) VALUES (1, (SELECT now FROM leat_now) + 9000);
                    INSERT INTO leat_settlements_jobs (worker, lease, outcome)
                    SELECT worker, lease, 'dead' FROM leat_claims_jobs
                    """)
        }
        #expect(try await store.items(in: "jobs", after: nil, limit: 9).map(\.state) == [.done, .dead, .ready])
        #expect(try await store.verify() == [])
    }

    @Test("refuse inserts of a bare sqlite3 when sealed, and take them before")
    func bare() async throws {
        let store = try await fixture.store()
        let jobs = try await store.queue("jobs", of: Int.self)
        let insert = "INSERT INTO q_jobs (payload, created_at) VALUES ('7', 0)"

        try fixture.bare { db in try db.execute(sql: insert) }
        try await jobs.seal()

        #expect(throws: DatabaseError.self) { try fixture.bare { db in try db.execute(sql: insert) } }
        #expect(try await jobs.claim(for: .seconds(9)).batch?.values == [7])
    }
}
