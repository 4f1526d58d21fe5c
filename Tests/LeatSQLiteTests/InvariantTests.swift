import Dispatch
import Foundation
import GRDB
import Leat
import LeatTesting
import Synchronization
import Testing

@testable import LeatSQLite

/// What only a file and its neighbours can show; the rest is in the conformance suite.
@Suite("The SQLite store")
struct InvariantTests {
    let fixture: Fixture

    init() throws { fixture = try Fixture() }

    @Test("invariant 1: a step's effects in the same database stand or fall with its acknowledgement")
    func transactionalStep() async throws {
        let store = try await fixture.linear()
        try await store.prepare { context in
            try (context as! SQLiteContext).database.execute(sql: "CREATE TABLE mine (text TEXT NOT NULL)")
        }
        try await store.fill(4)
        let worker = try await store.worker("change")
        let lease = try #require(try await store.lease("change", worker))
        let step = TransactionalStep(of: lease) { context, item in
            let text = String(decoding: item.payload.bytes, as: UTF8.self)
            try (context as! SQLiteContext).database.execute(sql: "INSERT INTO mine VALUES (?)", arguments: [text])
            if text == "2" { throw PermanentError("two is refused") }
            return [Output(.text("cooked \(text)"), to: "cooked")]
        }

        _ = try await store.commit(step, next: nil)

        let mine = try await store.reading { try String.fetchAll($0, sql: "SELECT text FROM mine ORDER BY text") }
        #expect(mine == ["0", "1", "3"])
        #expect(try await store.states("raw") == [.done, .done, .dead, .done])
        let cooked = try await store.items(in: "cooked", after: nil, limit: 10)
        #expect(cooked.map(\.parent) == [ItemID(1), ItemID(2), ItemID(4)])

        await #expect { _ = try await store.commit(step, next: nil) } throws: {
            ($0 as? LeatError)?.code == .leaseLost
        }
        #expect(try await store.reading { try Int.fetchOne($0, sql: "SELECT count(*) FROM mine") } == 3)
        #expect(try await store.verify().isEmpty)
    }

    @Test("invariant 5: a closed queue refuses inserts, even from a bare sqlite3, and takes them when it reopens")
    func closedQueue() async throws {
        let store = try await fixture.linear()
        try await store.fill(1)
        let insert = "INSERT INTO q_raw (payload, created_at) VALUES ('stray', 0)"
        try fixture.bare { try $0.execute(sql: "\(insert); DELETE FROM q_raw WHERE payload = 'stray'") }

        try await store.fill(0, end: true)

        #expect(throws: DatabaseError.self) { try fixture.bare { try $0.execute(sql: insert) } }

        // The transformer's queue: closed by its end, reopened by a retry upstream.
        let worker = try await store.worker("change")
        let lease = try #require(try await store.lease("change", worker))
        let failure = Failure("no", .never)
        _ = try await store.commit(Step(.each([lease.items[0].id: .failed(failure)]), of: lease), next: nil)
        let cooked = "INSERT INTO q_cooked (payload, created_at) VALUES ('stray', 0)"
        #expect(throws: DatabaseError.self) { try fixture.bare { try $0.execute(sql: cooked) } }
        #expect(try await store.retry("change", by: "test") == 1)
        try fixture.bare { try $0.execute(sql: "\(cooked); DELETE FROM q_cooked WHERE payload = 'stray'") }
        #expect(try await store.verify().isEmpty)
    }

    @Test("invariant 6: verify finds each kind of loss and doubling")
    func verifyFinds() async throws {
        let tampering = [
            "DELETE FROM q_raw WHERE id = 1",
            "DELETE FROM q_raw WHERE id = 9",
            "INSERT INTO q_raw (payload, origin, created_at) VALUES ('x', 'make', 0)",
            "UPDATE leat_queues SET frontier = frontier + 1 WHERE name = 'raw'",
            "UPDATE leat_queues SET frontier = frontier - 1 WHERE name = 'raw'",
            "DELETE FROM leat_leases WHERE queue = 'raw'",
            "UPDATE leat_leases SET hi = hi + 1 WHERE queue = 'raw'",
            "UPDATE leat_leases SET items = items + 1 WHERE queue = 'raw'",
            "INSERT INTO qs_raw (id, state) VALUES (99, 'dead')",
            "UPDATE leat_counts SET acknowledged = acknowledged + 1 WHERE stage = 'change'",
            "UPDATE leat_edges SET inserted = inserted - 1 WHERE stage = 'make'",
            "INSERT INTO leat_completions VALUES ('raw', 'make', '', 0)",
        ]
        for tamper in tampering {
            let fixture = try Fixture()
            let store = try await fixture.linear()
            try await store.fill(9)
            let worker = try await store.worker("change")
            let first = try #require(try await store.lease("change", worker, upTo: 3))
            _ = try await store.commit(Step(.done, of: first), next: nil)
            _ = try await store.lease("change", worker, upTo: 3)
            #expect(try await store.verify().isEmpty)

            try fixture.bare { try $0.execute(sql: tamper) }

            #expect(try await !store.verify().isEmpty, "\(tamper)")
        }
    }

    @Test("invariant 7: a worker whose process is gone is found by its lock, at once")
    func freeLock() async throws {
        let store = try await fixture.linear()
        try await store.fill(3)
        var other: SQLiteStore? = try await fixture.store()
        let worker = try #require(try await other?.worker("change"))
        _ = try await other?.lease("change", worker)
        #expect(try await store.reap(supervisor: nil).isEmpty)

        // Its descriptors go with it, as they do when a process dies.
        other = nil

        let reaped = try await store.reap(supervisor: nil)
        #expect(reaped.map(\.worker) == [worker])
        #expect(reaped.map(\.ending) == [.killed])
        #expect(reaped.map(\.account) == [.halved])
        #expect(try await store.states("raw") == [.ready, .ready, .ready])
    }

    @Test("invariant 8: a transaction longer than a heartbeat gives its duration to every live worker")
    func longTransaction() async throws {
        let store = try await fixture.linear()
        let worker = try await store.worker("change")
        let time = fixture.time
        let long = store.terms.duration + .seconds(20)

        try await store.prepare { _ in time.advance(by: long) }
        #expect(try await store.reap(supervisor: nil).isEmpty)

        time.advance(by: store.terms.duration + .seconds(1))
        #expect(try await store.reap(supervisor: nil).map(\.worker) == [worker])
    }

    @Test("invariant 8: a long transaction leaves a worker whose lease was almost over a whole one")
    func longAtTheEnd() async throws {
        let store = try await fixture.linear()
        let worker = try await store.worker("change")
        let time = fixture.time
        time.advance(by: store.terms.duration - .milliseconds(100))

        try await store.prepare { [terms = store.terms] _ in time.advance(by: terms.heartbeat * 2) }
        // All who have waited are served before it.
        time.advance(by: store.terms.duration - .milliseconds(100))

        #expect(try await store.reap(supervisor: nil).isEmpty)
        #expect(try store.beat(worker) == .alive)
    }

    @Test("invariant 8: a lease that looked over while a long transaction ran is judged again under the lock")
    func longTransactionAndReaper() async throws {
        let store = try await fixture.linear()
        let worker = try await store.worker("change")
        let time = fixture.time
        let watched = WatchedTime(time)
        let reaper = try await SQLiteStore.open(fixture.path, time: watched)
        let long = store.terms.duration + .seconds(20)

        async let reaped = {
            watched.begin.wait()
            return try await reaper.reap(supervisor: nil)
        }()
        try await store.prepare { _ in
            time.advance(by: long)
            watched.isOn.store(true, ordering: .relaxed)
            watched.begin.signal()
            // It has read the clock; its look at the workers follows, and its write has to wait for this one.
            watched.looked.wait()
        }

        #expect(try await reaped == [])
        #expect(try store.beat(worker) == .alive)
    }

    @Test("invariant 8: a long transaction gives its time to who was live, when it is undone too")
    func longAndUndone() async throws {
        let store = try await fixture.linear()
        let worker = try await store.worker("change")
        struct Regret: Error {}

        await #expect(throws: Regret.self) {
            try await store.prepare { [time = fixture.time, terms = store.terms] _ in
                time.advance(by: terms.duration * 3)
                throw Regret()
            }
        }

        #expect(try await store.reap(supervisor: nil).isEmpty)
        #expect(try store.beat(worker) == .alive)
    }

    @Test("gives up at its deadline beside a transaction that does not end, and names who holds it")
    func busy() async throws {
        let store = try await fixture.linear()
        let path = fixture.path

        try await store.prepare { _ in
            let ended = DispatchSemaphore(value: 0)
            let found = Mutex<LeatError?>(nil)
            Task.detached {
                defer { ended.signal() }
                let other = try await SQLiteStore.open(path, creating: false, deadline: .milliseconds(50))
                do {
                    try await other.writing { _ in }
                } catch let error as LeatError {
                    found.withLock { $0 = error }
                }
            }
            ended.wait()
            let error = found.withLock { $0 }
            #expect(error?.code == .busy)
            #if os(Linux)
            #expect(error?.message.contains("by process \(getpid())") == true, "\(String(describing: error))")
            #endif
        }
    }

    @Test("opens and answers beside a transaction that does not end")
    func opensBeside() async throws {
        let store = try await fixture.linear()
        try await store.fill(3)
        let path = fixture.path

        try await store.prepare { _ in
            let opened = DispatchSemaphore(value: 0)
            let found = Mutex<[Int64]>([])
            Task.detached {
                let other = try await SQLiteStore.open(path, creating: false)
                let ready = try await other.status().map(\.ready)
                found.withLock { $0 = ready }
                opened.signal()
            }
            opened.wait()
            #expect(found.withLock { $0 } == [1, 3, 0])
        }
    }

    @Test("invariant 9: state words and JSON payloads are text, and the views answer a bare sqlite3")
    func readable() async throws {
        // The views judge by the host's clock: however long the test takes, the worker has just been seen.
        fixture.time.wallClock = HostTime().wallClock + 3_600_000
        let store = try await fixture.linear()
        try await store.fill(3)
        let worker = try await store.worker("change")
        let lease = try #require(try await store.lease("change", worker, upTo: 2))
        let outcomes: [ItemID: Outcome] = [lease.items[0].id: .failed(Failure("bad", .never))]
        _ = try await store.commit(Step(.each(outcomes), of: lease), next: nil)

        try fixture.bare { (database: Database) throws -> Void in
            #expect(
                try String.fetchAll(database, sql: "SELECT typeof(payload) FROM q_raw") == ["text", "text", "text"])
            #expect(
                try String.fetchAll(database, sql: "SELECT state FROM items_raw ORDER BY id")
                    == ["dead", "leased", "ready"])
            let states = try Row.fetchAll(
                database, sql: "SELECT stage, state, ready, leased, dead FROM leat_stage_status")
            #expect(states.map { $0["stage"] as String } == ["make", "change", "keep"])
            #expect(states.map { $0["state"] as String } == ["ready", "running", "waiting"])
            #expect(states[1]["dead"] == 1)
            #expect(try String.fetchOne(database, sql: "SELECT reason FROM leat_dead_letters") == "bad")

            // A worker that has not been seen for as long as its lease is shown to nobody as live.
            try database.execute(sql: "UPDATE leat_workers SET seen_at = 0")
            let gone = try Row.fetchOne(
                database, sql: "SELECT state, workers FROM leat_stage_status WHERE stage = 'change'")
            #expect(gone?["state"] == "ready")
            #expect(gone?["workers"] == 0)
        }
    }

    @Test("keeps bytes that are not text as a blob, and gives them back")
    func blobs() async throws {
        let store = try await fixture.linear()
        let payloads = [Payload(bytes: [0xFF, 0, 1]), .text(""), Payload(bytes: []), .text("é\u{1F600}"), .blob([])]

        _ = try await store.put(payloads.map { Output($0, to: "raw") })

        #expect(try await store.items(in: "raw", after: nil, limit: 10).map(\.payload) == payloads)
    }

    @Test("copies the log into the database, by the rule: a write of its own first")
    func checkpoints() async throws {
        let store = try await fixture.linear()
        try await store.fill(100)

        try await store.checkpoint()

        try fixture.bare { (database: Database) throws -> Void in
            let count = try Int.fetchOne(database, sql: "SELECT count FROM leat_checkpoint")
            #expect(try #require(count) >= 1)
            // (busy, pages in the log, pages copied): all of them, its own write among them.
            let row = try #require(try Row.fetchOne(database, sql: "PRAGMA wal_checkpoint(PASSIVE)"))
            #expect(row[1] as Int == row[2] as Int)
        }
    }

    @Test("leaves the checkpoint to the process that is at it")
    func checkpointLock() async throws {
        let store = try await fixture.linear()
        let lock = try FileLock.lock(path: fixture.path + "-leat/checkpoint")

        try await store.checkpoint()
        let count = { try fixture.bare { try Int.fetchOne($0, sql: "SELECT count FROM leat_checkpoint") } }
        #expect(try count() == 0)

        lock.release()
        try await store.checkpoint()
        #expect(try count() == 2)
    }
}

/// The manual clock of a store, which tells when it is looked at.
private final class WatchedTime: TimeSource {
    let time: ManualTime
    let isOn = Atomic(false)
    let begin = DispatchSemaphore(value: 0)
    let looked = DispatchSemaphore(value: 0)

    init(_ time: ManualTime) { self.time = time }

    var instant: Int64 {
        defer { if isOn.load(ordering: .relaxed) { looked.signal() } }
        return time.instant
    }
    var bootID: String { time.bootID }
    var wallClock: Int64 { time.wallClock }
    var chance: Double { time.chance }
}
