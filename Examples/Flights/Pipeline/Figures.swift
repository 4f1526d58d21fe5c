internal import GRDB
package import LeatSQLite

/// What is known about all 336,776 flights from elsewhere, held against the tables.
package enum Figures {
    static let cancelled = 8_255
    static let arrivals = 327_346
    /// Mean arrival delays in minutes.
    static let delays = [("F9", 21.921), ("FL", 20.116), ("EV", 15.796), ("AA", 0.364), ("AS", -9.931)]

    /// A line for each figure that is not as it should be.
    package static func differences(in store: SQLiteStore) async throws -> [String] {
        try await store.reading { db in
            var lines: [String] = []
            let cancelled = try Int.fetchOne(db, sql: "SELECT count(*) FROM cancelled_flight") ?? 0
            if cancelled != Self.cancelled {
                lines.append("\(cancelled) flights are cancelled where \(Self.cancelled) were expected")
            }
            let arrivals = try Int.fetchOne(db, sql: "SELECT sum(arrived) FROM delay_by_carrier") ?? 0
            if arrivals != Self.arrivals {
                lines.append("\(arrivals) flights have an arrival delay where \(Self.arrivals) were expected")
            }
            for (carrier, expected) in delays {
                let mean = try Double.fetchOne(
                    db, sql: "SELECT mean_arrival_delay FROM delay_by_carrier WHERE carrier = ?", arguments: [carrier])
                if (mean.map { ($0 * 1000).rounded() / 1000 }) != expected {
                    lines.append("the mean arrival delay of \(carrier) is \(mean ?? .nan), expected was \(expected)")
                }
            }
            return lines
        }
    }
}
