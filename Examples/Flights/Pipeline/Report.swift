internal import GRDB
package import LeatSQLite

/// Delays by carrier, by origin and by hour: three tables, made anew each time from the flights.
package enum Report {
    /// What flights are grouped by, and the table that has a row for each group.
    package struct Grouping: Sendable {
        package var table: String
        var key: String
        var type: String
        /// Of the grouped rows, the column that names the group to a person; NULL for the hours.
        var name: String
    }

    package static let groupings = [
        Grouping(table: "delay_by_carrier", key: "carrier", type: "TEXT", name: "airline"),
        Grouping(table: "delay_by_origin", key: "origin", type: "TEXT", name: "origin_airport"),
        Grouping(table: "delay_by_hour", key: "hour", type: "INTEGER", name: "NULL"),
    ]

    static func createTables(_ db: Database) throws {
        for grouping in groupings {
            try db.execute(
                sql: """
                    CREATE TABLE IF NOT EXISTS \(grouping.table) (
                        \(grouping.key) \(grouping.type) NOT NULL, name TEXT,
                        departed INTEGER NOT NULL, cancelled INTEGER NOT NULL, arrived INTEGER NOT NULL,
                        mean_departure_delay REAL, mean_arrival_delay REAL
                    )
                    """)
        }
    }

    /// Replaces the content of the three tables.
    ///
    /// The delays are whole minutes, whose sums are exact, so the means do not depend on the order of the rows.
    static func write(_ db: Database) throws {
        for grouping in groupings {
            try db.execute(sql: "DELETE FROM \(grouping.table)")
            try db.execute(
                sql: """
                    INSERT INTO \(grouping.table)
                    SELECT \(grouping.key), max(\(grouping.name)), sum(departed), sum(1 - departed),
                        count(arrival_delay), avg(departure_delay), avg(arrival_delay)
                    FROM (
                        SELECT carrier, airline, origin, origin_airport, hour, 1 AS departed,
                            departure_delay, arrival_delay
                        FROM flight
                        UNION ALL
                        SELECT carrier, airline, origin, NULL, hour, 0, NULL, NULL FROM cancelled_flight
                    )
                    GROUP BY \(grouping.key)
                    ORDER BY \(grouping.key)
                    """)
        }
    }

    /// The three tables as text for a terminal.
    package static func text(from store: SQLiteStore) async throws -> String {
        try await store.reading { db in
            try groupings.map { grouping in
                let rows = try Row.fetchAll(
                    db, sql: "SELECT CAST(\(grouping.key) AS TEXT) AS label, * FROM \(grouping.table)")
                let lines = rows.map { row in
                    let key = padded(row["label"], to: 8)
                    let counts = ["departed", "cancelled", "arrived"].map { column in
                        padded(left: String(row[column] as Int), to: 10)
                    }
                    let means = ["mean_departure_delay", "mean_arrival_delay"].map { column in
                        padded(left: (row[column] as Double?).map(thousandths) ?? "–", to: 12)
                    }
                    let name = (row["name"] as String?).map { "  " + $0 } ?? ""
                    return key + (counts + means).joined() + name
                }
                let header = padded(grouping.key, to: 8) + "  departed cancelled   arrived  mean delay  on arrival"
                return ([header] + lines).joined(separator: "\n")
            }.joined(separator: "\n\n")
        }
    }
}

private func padded(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}

private func padded(left text: String, to width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}

/// A number with three decimals.
private func thousandths(_ value: Double) -> String {
    let whole = Int((value.magnitude * 1000).rounded())
    let decimals = String(1000 + whole % 1000).dropFirst()
    return "\(value < 0 ? "−" : "")\(whole / 1000).\(decimals)"
}
