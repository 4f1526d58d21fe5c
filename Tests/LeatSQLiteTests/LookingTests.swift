import GRDB
import Leat
import LeatTesting
import Testing

@testable import LeatSQLite

@Suite("Looking without a turn to write", .timeLimit(.minutes(1)))
struct LookingTests {
    private let fixture: Fixture

    init() throws { fixture = try Fixture() }

    /// A queue that a claim has left empty, with one item in that claim's hands.
    private func emptied() async throws -> (SQLiteStore, Queue<Int>, QueueBatch<Int>) {
        let store = try await SQLiteStore.open(fixture.path, time: fixture.time, deadline: .seconds(1))
        let jobs = try await store.queue("jobs", of: Int.self)
        try await jobs.put(1)
        let batch = try #require(try await jobs.claim(upTo: 1, for: .seconds(60)).batch)
        return (store, jobs, batch)
    }

    @Test("invariant 10: finds that nothing is left while another holds the write lock")
    func locked() async throws {
        let (store, jobs, _) = try await emptied()
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let other = try DatabaseQueue(path: fixture.path, configuration: configuration)
        try await other.writeWithoutTransaction { try $0.execute(sql: "BEGIN IMMEDIATE") }

        let claim = try await jobs.claim(upTo: 1, for: .seconds(60))
        try await store.evaluate()
        await #expect(throws: LeatError.self) { try await jobs.put(2) }
        try await other.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }

        #expect(claim.batch == nil)
        #expect(try await store.verify() == [])
    }

    @Test("finds what programs put that ring no bell")
    func strangers() async throws {
        let (store, jobs, _) = try await emptied()
        try fixture.bare { try $0.execute(sql: "INSERT INTO q_jobs (payload) VALUES ('2')") }

        #expect(try await jobs.claim(upTo: 1, for: .seconds(60)).batch?.values == [2])
        #expect(try await jobs.claim(upTo: 1, for: .seconds(60)).batch == nil)
        #expect(try await store.verify() == [])
    }

    @Test("finds what has come due, and what is over, though nobody has committed anything since")
    func time() async throws {
        let (_, jobs, _) = try await emptied()
        try await jobs.put(2, due: .after(.seconds(5)))
        #expect(try await jobs.claim(upTo: 1, for: .seconds(60)).batch == nil)
        #expect(try await jobs.claim(upTo: 1, for: .seconds(60)).batch == nil)

        fixture.time.advance(by: .seconds(6))
        let due = try await jobs.claim(upTo: 1, for: .seconds(60)).batch?.values
        #expect(try await jobs.claim(upTo: 1, for: .seconds(60)).batch == nil)
        fixture.time.advance(by: .seconds(55))
        let over = try await jobs.claim(upTo: 1, for: .seconds(60)).batch?.values

        #expect(due == [2])
        #expect(over == [1])
    }

    @Test("invariant 8: finds a lease that is over though a later one was shortened, and though it was lengthened")
    func renewed() async throws {
        let (store, jobs, first) = try await emptied()
        try await jobs.put(2)
        let second = try #require(try await jobs.claim(upTo: 1, for: .seconds(600)).batch)
        try await first.renew(for: .seconds(300))
        try await second.renew(for: .seconds(30))
        #expect(try await store.verify() == [])

        fixture.time.advance(by: .seconds(31))
        let shortened = try await jobs.claim(upTo: 1, for: .seconds(600)).batch?.values
        fixture.time.advance(by: .seconds(40))
        let none = try await jobs.claim(upTo: 1, for: .seconds(600)).batch
        fixture.time.advance(by: .seconds(230))
        let lengthened = try await jobs.claim(upTo: 1, for: .seconds(600)).batch?.values

        #expect(shortened == [2])
        #expect(none == nil)
        #expect(lengthened == [1])
        try fixture.bare { try $0.execute(sql: "UPDATE leat_queues SET ends_at = ends_at + 1 WHERE name = 'jobs'") }
        #expect(try await store.verify().count == 1)
    }

    @Test("tells whoever waits that the store is damaged")
    func damaged() async throws {
        let (store, jobs, _) = try await emptied()
        #expect(try await jobs.claim(upTo: 1, for: .seconds(60)).batch == nil)

        store.damage.note(LeatError(.damaged, "for a test"))

        await #expect(throws: LeatError.self) { try await jobs.claim(upTo: 1, for: .seconds(60)) }
        await #expect(throws: LeatError.self) { try await store.evaluate() }
    }

    @Test("invariant 5: completes what a crash kept from being completed")
    func completion() async throws {
        let store = try await fixture.linear()
        let worker = try await store.worker("change")
        try await store.fill(1, end: true)
        let lease = try #require(try await store.lease("change", worker))
        _ = try await store.commit(Step(.done, of: lease), next: nil)
        // As if the process had died between the last acknowledgement and what follows from it.
        try fixture.bare { try $0.execute(sql: "DELETE FROM leat_completions WHERE stage = 'change'") }

        try await store.evaluate()

        #expect(
            try fixture.bare {
                try Int.fetchOne($0, sql: "SELECT count(*) FROM leat_completions WHERE stage = 'change'")
            } == 1)
    }
}
