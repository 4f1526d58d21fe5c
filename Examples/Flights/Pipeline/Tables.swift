internal import GRDB

/// The result tables. They have no unique keys and are filled by plain INSERTs, so that a flight that took effect twice
/// would stand in them twice, where the comparison finds it.
package enum Tables {
    /// Every table that a run fills.
    package static let all = ["flight", "cancelled_flight"] + Report.groupings.map(\.table)

    static func createFlight(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE IF NOT EXISTS flight (
                    month TEXT NOT NULL, line INTEGER NOT NULL, hour_utc TEXT NOT NULL, hour INTEGER NOT NULL,
                    carrier TEXT NOT NULL, airline TEXT, number INTEGER NOT NULL, tail_number TEXT,
                    origin TEXT NOT NULL, origin_airport TEXT, destination TEXT NOT NULL, destination_airport TEXT,
                    departure_delay INTEGER, arrival_delay INTEGER, air_time INTEGER, distance INTEGER NOT NULL,
                    plane_manufacturer TEXT, plane_model TEXT, plane_year INTEGER, plane_seats INTEGER,
                    temperature REAL, wind_speed REAL, precipitation REAL, visibility REAL
                )
                """)
    }

    static func insert(_ enriched: EnrichedFlight, into db: Database) throws {
        let flight = enriched.flight
        let statement = try db.cachedStatement(
            sql: "INSERT INTO flight VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        try statement.execute(arguments: [
            flight.month, flight.line, flight.hourUTC, flight.hour,
            flight.carrier, enriched.airline, flight.number, flight.tailNumber,
            flight.origin, enriched.originAirport, flight.destination, enriched.destinationAirport,
            flight.departureDelay, flight.arrivalDelay, flight.airTime, flight.distance,
            enriched.plane?.manufacturer, enriched.plane?.model, enriched.plane?.year, enriched.plane?.seats,
            enriched.weather?.temperature, enriched.weather?.windSpeed, enriched.weather?.precipitation,
            enriched.weather?.visibility,
        ])
    }

    static func createCancelledFlight(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE IF NOT EXISTS cancelled_flight (
                    month TEXT NOT NULL, line INTEGER NOT NULL, hour_utc TEXT NOT NULL, hour INTEGER NOT NULL,
                    carrier TEXT NOT NULL, airline TEXT, number INTEGER NOT NULL,
                    origin TEXT NOT NULL, destination TEXT NOT NULL,
                    wind_speed REAL, precipitation REAL, visibility REAL
                )
                """)
    }

    static func insertCancelled(_ enriched: EnrichedFlight, into db: Database) throws {
        let flight = enriched.flight
        let statement = try db.cachedStatement(
            sql: "INSERT INTO cancelled_flight VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        try statement.execute(arguments: [
            flight.month, flight.line, flight.hourUTC, flight.hour,
            flight.carrier, enriched.airline, flight.number,
            flight.origin, flight.destination,
            enriched.weather?.windSpeed, enriched.weather?.precipitation, enriched.weather?.visibility,
        ])
    }
}
