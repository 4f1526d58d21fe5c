internal import GRDB
package import Leat
internal import LeatSQLite

/// Every row of the result tables, and the dead letters: what a run came to.
package struct Results: Sendable, Equatable {
    /// Rows as text, by table; a row that is there twice is counted twice.
    package var rows: [String: [String: Int]]

    package init(rows: [String: [String: Int]]) { self.rows = rows }

    /// Reads them all at once: the run is over, so nobody waits for this snapshot.
    package init(of store: any Store) async throws {
        guard let database = store as? SQLiteStore else {
            throw LeatError(.refused, "The results of flights are in tables, and this store has none.")
        }
        rows = try await database.reading(Self.rows)
        // Their numbers depend on the order in which the shards were read; what they say does not.
        rows["dead letters"] = try await store.deadLetters(of: nil, limit: 1000).reduce(into: [:]) { counts, letter in
            counts["\(letter.stage): \(letter.reason) \(letter.payload.preview)", default: 0] += 1
        }
    }

    /// Reads the tables alone, of a database that may be anybody's.
    package init(tablesOf path: String) throws {
        var configuration = Configuration()
        configuration.readonly = true
        rows = try DatabaseQueue(path: path, configuration: configuration).read(Self.rows)
    }

    @Sendable private static func rows(_ db: Database) throws -> [String: [String: Int]] {
        try Dictionary(
            uniqueKeysWithValues: Tables.all.map { table in
                var counts: [String: Int] = [:]
                let cursor = try Row.fetchCursor(db, sql: "SELECT * FROM \(table)")
                while let row = try cursor.next() {
                    counts[row.databaseValues.map(\.description).joined(separator: ", "), default: 0] += 1
                }
                return (table, counts)
            })
    }

    /// How often each row stands here.
    package func count(in table: String) -> Int { rows[table, default: [:]].values.reduce(0, +) }

    /// A line for each row that does not stand equally often in both.
    package func differences(from expected: Results) -> [String] {
        Set(rows.keys).union(expected.rows.keys).sorted().flatMap { table -> [String] in
            let found = rows[table, default: [:]]
            let wanted = expected.rows[table, default: [:]]
            return Set(found.keys).union(wanted.keys).sorted().compactMap { row in
                let (here, there) = (found[row, default: 0], wanted[row, default: 0])
                return here == there ? nil : "\(table): \(here) times where \(there) were expected: \(row)"
            }
        }
    }
}

/// What the same functions come to without files and processes, and without anybody being shot.
package func resultsInMemory(data: String) async throws -> Results {
    let run = try await flightsPipeline(data: data, shots: Shots(folder: nil)).runInMemory()
    if case .failed = run.outcome {
        let reasons = run.stages.compactMap(\.reason).joined(separator: "; ")
        throw LeatError(.refused, "The run in memory failed, so there is nothing to compare with: \(reasons)")
    }
    return try await Results(of: run.store)
}
