import GRDB
import Leat
import LeatTesting
import Testing

@testable import LeatSQLite

/// Ranges that follow one another are handed back as one orphan.
@Suite("Neighbouring leases", .timeLimit(.minutes(1)))
struct NeighbouringLeasesTests {
    private let fixture: Fixture
    private let store: SQLiteStore

    init() async throws {
        fixture = try Fixture()
        store = try await fixture.linear()
        try await store.fill(6)
    }

    /// A worker that holds the first five items, each in a lease of its own, and has ended.
    private func ended(_ ending: WorkerEnding) async throws -> [Lease] {
        let worker = try await store.worker("change")
        var leases: [Lease] = []
        for _ in 1...5 { leases.append(try #require(try await store.lease("change", worker, upTo: 1))) }
        _ = try await store.end(worker, ending)
        return leases
    }

    /// How many orphans there are, how many items are in them, and the largest batch in which these may be claimed.
    private func orphans() throws -> [Int] {
        let row = try fixture.bare { db in
            try Row.fetchOne(db, sql: "SELECT count(*), sum(items), max(suspect) FROM leat_leases WHERE worker = 0")
        }
        return try #require(row).databaseValues.compactMap { Int.fromDatabaseValue($0) }
    }

    @Test("invariant 2: come back as one when their worker was stopped, and its late step is refused")
    func stopped() async throws {
        let leases = try await ended(.stopped)
        #expect(try orphans() == [1, 5, 0])

        let next = try #require(try await store.lease("change", try await store.worker("change"), upTo: 10))
        await #expect(throws: LeatError.self) { try await store.commit(Step(.done, of: leases[0]), next: nil) }

        #expect(next.items.map(\.id) == leases.flatMap(\.items).map(\.id))
        #expect(next.items.map(\.claims) == [2, 2, 2, 2, 2])
        #expect(!leases.map(\.id).contains(next.id))
        #expect(try await store.verify() == [])
    }

    @Test("invariant 3: come back as one when their worker crashed, and each item is then claimed alone")
    func crashed() async throws {
        let leases = try await ended(.crashed("for a test"))
        #expect(try orphans() == [1, 5, 1])

        let worker = try await store.worker("change")
        for lease in leases {
            let alone = try #require(try await store.lease("change", worker, upTo: 10))
            #expect(alone.isSuspect)
            #expect(alone.items.map(\.id) == lease.items.map(\.id))
            _ = try await store.commit(Step(.done, of: alone), next: nil)
        }

        #expect(try await store.lease("change", worker, upTo: 10)?.isSuspect == false)
        #expect(try await store.verify() == [])
    }
}
