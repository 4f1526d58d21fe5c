import GRDB
import Leat
import LeatTesting
import Testing

@testable import LeatSQLite

/// Queues most of whose items have a row of their own, as they wait, or go before others.
@Suite("Items past the straight path", .timeLimit(.minutes(1)))
struct PastStraightPathTests {
    private let fixture: Fixture

    init() throws { fixture = try Fixture() }

    @Test(
        "forget and prune what is done of groups, delayed and prioritised items while others wait",
        arguments: [false, true])
    func backlog(isMixed: Bool) async throws {
        let store = try await fixture.store()
        let jobs = try await store.queue(
            "jobs", of: Int.self, order: .byGroup { isMixed && $0 % 3 == 0 ? nil : "\($0 % 500)" },
            policy: QueuePolicy(keep: .failed))
        try await jobs.put(contentsOf: 1...1500)
        try await jobs.put(contentsOf: 1501...2000, priority: 1)
        for _ in 1...50 { try await jobs.claim(upTo: 20, for: .seconds(60)).batch?.acknowledge() }

        func doneRows() throws -> Int? {
            try fixture.bare { try Int.fetchOne($0, sql: "SELECT count(*) FROM qs_jobs WHERE state = 'done'") }
        }
        #expect(try await jobs.status().done == 1000)
        // What has a priority and is past others on the straight path is still told from them by a row.
        let kept = try #require(try doneRows())
        #expect(isMixed ? kept < 500 : kept == 0)
        #expect(try await store.prune(upTo: 5000) == 1000 - kept)
        while let batch = try await jobs.claim(upTo: 20, for: .seconds(60)).batch { try await batch.acknowledge() }
        #expect(try doneRows() == 0)
        #expect(try await store.prune(upTo: 5000) == 1000 + kept)
        #expect(try await store.verify() == [])
    }

    @Test("hand out what is ready past many others that wait, with nothing left on the straight path")
    func pastWaiting() async throws {
        let store = try await fixture.store()
        let jobs = try await store.queue(
            "jobs", of: Int.self, order: .byGroup { $0 == 0 ? nil : $0 <= 1500 ? "long" : "\($0)" })
        // The first is on the straight path, so that the frontier stands before all others.
        try await jobs.put(contentsOf: 0...1510)

        var claimed: [Int] = []
        for _ in 1...12 { claimed += try await jobs.claim(for: .seconds(60)).batch?.values ?? [] }

        #expect(claimed.sorted() == [0, 1] + Array(1501...1510))
        #expect(try await store.verify() == [])
    }

    @Test("hand out what is on the straight path by its age, beside others that have rows")
    func byAge() async throws {
        let jobs = try await fixture.store().queue(
            "jobs", of: Int.self, order: .byGroup { $0 % 2 == 0 ? "\($0)" : nil })
        try await jobs.put(contentsOf: 1...40)
        var order: [Int] = []
        for _ in 1...20 {
            let batch = try #require(try await jobs.claim(upTo: 2, for: .seconds(60)).batch)
            order += batch.values
            try await batch.acknowledge()
        }

        #expect(order.sorted() == Array(1...40))
        #expect(zip(order, 1...).allSatisfy { abs($0 - $1) <= 4 }, "\(order)")
    }
}
