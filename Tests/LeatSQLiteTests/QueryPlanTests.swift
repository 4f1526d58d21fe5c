import CLeatSQLite
import GRDB
import Leat
import Testing

@testable import LeatSQLite

@Suite("The plans of the hot statements")
struct QueryPlanTests {
    private let fixture: Fixture

    init() throws { fixture = try Fixture() }

    /// What SQLite says of a statement, a line a step.
    private func plan(_ query: Query) async throws -> String {
        _ = try await fixture.linear()
        let sql =
            "EXPLAIN QUERY PLAN "
            + query.text(for: QueueName("raw"))
            .replacing(/\?\d/, with: "1")
        let rows = try fixture.bare { (database: Database) throws -> [Row] in
            try Row.fetchAll(database, sql: sql)
        }
        let details = rows.map { row in row["detail"] as String }
        return details.joined(separator: "\n")
    }

    struct Expectation: Sendable, CustomTestStringConvertible {
        let name: String
        let query: Query
        let uses: [String]
        var testDescription: String { name }
    }

    static let expectations = [
        Expectation(
            name: "ready rows", query: Transaction.readyQuery,
            uses: ["INDEX qs_raw_ready", "SEARCH i USING INTEGER PRIMARY KEY"]),
        Expectation(
            name: "the range", query: Transaction.pathQuery,
            uses: ["SEARCH i USING INTEGER PRIMARY KEY", "SEARCH s USING INTEGER PRIMARY KEY"]),
        Expectation(
            name: "a range that nothing has left", query: Transaction.clearPathQuery,
            uses: ["SEARCH i USING INTEGER PRIMARY KEY"]),
        Expectation(
            name: "whether anything has left a range", query: Transaction.anyRowQuery,
            uses: ["USING INTEGER PRIMARY KEY"]),
        Expectation(name: "an orphan", query: Transaction.orphanQuery, uses: ["INDEX leat_leases_orphans (queue=?)"]),
        Expectation(name: "whether anything is due", query: Transaction.isDueQuery, uses: ["INDEX qs_raw_waiting"]),
        Expectation(name: "what is due", query: Transaction.admitQuery, uses: ["INDEX qs_raw_waiting"]),
        Expectation(name: "when the next is due", query: Transaction.nextDueQuery, uses: ["INDEX qs_raw_waiting"]),
        Expectation(
            name: "the gate", query: Transaction.gateQuery,
            uses: [
                "SEARCH w USING INTEGER PRIMARY KEY", "leat_leases USING PRIMARY KEY (queue=? AND worker=?)",
                "INDEX leat_leases_suspects (queue=? AND worker=?)",
            ]),
        Expectation(
            name: "the fence", query: Transaction.fenceQuery,
            uses: ["leat_leases USING PRIMARY KEY (queue=? AND worker=? AND id=?)"]),
        Expectation(name: "an item's row", query: Transaction.rowQuery, uses: ["USING INTEGER PRIMARY KEY"]),
        Expectation(name: "a lease's rows", query: Transaction.leasedRowsQuery, uses: ["INDEX qs_raw_leased"]),
        Expectation(
            name: "a worker's leases", query: Transaction.heldByQuery,
            uses: ["leat_leases USING PRIMARY KEY (queue=? AND worker=?)"]),
        Expectation(
            name: "what covers an id", query: Transaction.coveringQuery,
            uses: ["leat_leases USING PRIMARY KEY (queue=?)"]),
        Expectation(
            name: "whether an id is covered", query: Transaction.coveredQuery,
            uses: ["INDEX leat_leases_wide (queue=? AND lo<?)"]),
        Expectation(
            name: "done rows of a stretch", query: Transaction.forgetDoneQuery, uses: ["USING INTEGER PRIMARY KEY"]),
        Expectation(name: "a key", query: Transaction.keyQuery, uses: ["INDEX q_raw_key"]),
        Expectation(
            name: "exhaustion", query: Transaction.exhaustedQuery,
            uses: [
                "SEARCH i USING INTEGER PRIMARY KEY", "leat_leases USING PRIMARY KEY (queue=?", "INDEX qs_raw_ready",
                "INDEX qs_raw_waiting", "INDEX qs_raw_leased",
            ]),
        Expectation(
            name: "whether all is handed out", query: Transaction.handedOutQuery,
            uses: [
                "SEARCH i USING INTEGER PRIMARY KEY", "leat_leases USING PRIMARY KEY (queue=?", "INDEX qs_raw_ready",
                "INDEX qs_raw_waiting",
            ]),
        Expectation(
            name: "whether a lease is over", query: Transaction.isAnyOverQuery,
            uses: [
                "leat_queues USING PRIMARY KEY (name=?)",
                "INDEX leat_leases_wall (queue=? AND expires_at<?)",
            ]),
        Expectation(
            name: "when the next lease is over", query: Transaction.nextExpiryQuery,
            uses: ["INDEX leat_leases_wall (queue=?)", "leat_queues USING PRIMARY KEY (name=?)"]),
        Expectation(
            name: "how full a queue is", query: Transaction.depthQuery,
            uses: [
                "SEARCH q USING PRIMARY KEY", "SEARCH qs_raw USING INTEGER PRIMARY KEY",
                "leat_leases USING PRIMARY KEY (queue=?",
                "INDEX qs_raw_ready", "INDEX qs_raw_waiting",
            ]),
        Expectation(
            name: "what is pruned", query: Transaction.pruneQuery,
            uses: [
                "SEARCH i USING INTEGER PRIMARY KEY", "SEARCH s USING INTEGER PRIMARY KEY",
                "leat_leases USING PRIMARY KEY (queue=?",
            ]),
        Expectation(
            name: "suspects that are ready", query: Transaction.readySuspectsQuery,
            uses: ["INDEX qs_raw_suspects", "SEARCH i USING INTEGER PRIMARY KEY"]),
        Expectation(
            name: "a suspect orphan", query: Transaction.suspectOrphanQuery,
            uses: ["INDEX leat_leases_suspects (queue=? AND worker=?)"]),
        Expectation(
            name: "whether a queue is closed", query: Transaction.closedQuery,
            uses: ["SEARCH q USING PRIMARY KEY", "SEARCH c USING PRIMARY KEY"]),
    ]

    /// How many instructions of SQLite's machine a question takes.
    private func steps(_ sql: String) throws -> Int {
        try fixture.bare { db in
            let statement = try db.makeStatement(sql: sql)
            _ = try Row.fetchAll(statement)
            return Int(sqlite3_stmt_status(statement.sqliteStatement, SQLITE_STMTSTATUS_VM_STEP, 0))
        }
    }

    @Test("of the items does not look at each lease for each item that is done")
    func items() async throws {
        let store = try await fixture.linear()
        let worker = try await store.worker("change")
        try await store.fill(4000)
        while let lease = try await store.lease("change", worker, upTo: 500), lease.items.count == 500 {
            _ = try await store.commit(Step(.done, of: lease), next: nil)
        }
        let before = try steps("SELECT count(*) FROM items_raw WHERE state = 'done'")
        try await store.fill(100)
        for _ in 1...100 { _ = try await store.lease("change", worker, upTo: 1) }

        let after = try steps("SELECT count(*) FROM items_raw WHERE state = 'done'")

        #expect(
            try fixture.bare { try Int.fetchOne($0, sql: "SELECT count(*) FROM items_raw WHERE state = 'done'") }
                == 4000)
        #expect(after < 2 * before)
    }

    @Test("use their index and never pass over a queue", arguments: expectations)
    func usesIndex(_ expectation: Expectation) async throws {
        let plan = try await plan(expectation.query)

        for use in expectation.uses { #expect(plan.contains(use), "\(plan)") }
        // A scan is allowed over an index that holds only what is asked for, and over the few leases and edges.
        for line in plan.split(separator: "\n") where line.contains("SCAN") {
            let isPartial = ["qs_raw_ready", "qs_raw_waiting", "qs_raw_leased", "qs_raw_suspects"].contains {
                line.contains($0)
            }
            let isSmall =
                line.contains("leat_edges") || line.contains("SCAN e") || line.contains("CONSTANT ROW")
                || line.contains("SCAN (subquery")
            #expect(isPartial || isSmall, "\(plan)")
        }
        #expect(!plan.contains("TEMP B-TREE"), "\(plan)")
    }
}
