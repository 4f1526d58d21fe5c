internal import GRDB
package import Leat
internal import LeatSQLite

/// Flights from New York in 2013, from files to tables.
///
/// ```
/// extract ──raw──▶ enrich ──departed──▶ load ───────▶ report
///   (a shard         │                                  ▲
///    a month)        └─────────never_left──▶ cancelled ─┘
/// ```
///
/// - Parameters:
///   - data: the folder with `flights/2013-01.csv` … and the small tables.
///   - shots: who is killed on the way, and where.
package func flightsPipeline(data: String, shots: Shots) throws -> Pipeline {
    let reference = ReferenceFolder(data)

    // After the row is in and before the transaction ends: the place where a death could do most harm.
    @Sendable func load(_ db: Database, _ flight: EnrichedFlight) throws {
        try Tables.insert(flight, into: db)
        shots.pass("load")
    }
    @Sendable func loadCancelled(_ db: Database, _ flight: EnrichedFlight) throws {
        try Tables.insertCancelled(flight, into: db)
        shots.pass("cancelled")
    }

    return try Pipeline("flights") {
        Producer("extract", to: raw, shards: months) { (month: ShardName, passed: Int?) in
            try extract(month.rawValue, after: passed ?? 0, from: data).lazy.map { flight in
                shots.pass("extract", item: Int64(flight.line))
                return Sourced(flight, cursor: flight.line)
            }
        }

        Transformer("enrich", from: raw, routes: [departed, neverLeft]) { (flight: RawFlight) -> Routed in
            shots.pass("enrich")
            let enriched = try enrich(flight, with: reference.reference())
            return try .to(enriched.flight.isCancelled ? neverLeft : departed, enriched)
        }
        .workers(4)

        Consumer("load", from: departed, database: load).tables(Tables.createFlight)

        Consumer("cancelled", from: neverLeft, database: loadCancelled).tables(Tables.createCancelledFlight)

        Consumer("report", after: ["load", "cancelled"], database: Report.write)
            .tables(Report.createTables)
    }
}

/// The year's months, which are the shards of `extract` and the names of its files.
package let months: [ShardName] = (1...12).map { ShardName($0 < 10 ? "2013-0\($0)" : "2013-\($0)") }

private let raw: QueueReference<RawFlight> = "raw"
private let departed: QueueReference<EnrichedFlight> = "departed"
private let neverLeft: QueueReference<EnrichedFlight> = "never_left"

/// The lines of a month's file that follow a given one.
package func extract(_ month: String, after passed: Int, from data: String) throws -> some Sequence<RawFlight> {
    try Lines(of: "\(data)/flights/\(month).csv", after: passed).lazy.map { line in
        RawFlight(month: month, line: line.number, text: line.text)
    }
}

extension Shots {
    /// The same for the item that is worked on.
    func pass(_ stage: StageName) {
        guard let item = ItemContext.current?.item else { return }
        pass(stage, item: item.rawValue)
    }
}
