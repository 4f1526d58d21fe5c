/// A flight with what other tables know about it. What is not on file is `nil`, and the flight goes on without it.
package struct EnrichedFlight: Sendable, Hashable, Codable {
    package var flight: Flight
    package var airline: String?
    package var originAirport: String?
    package var destinationAirport: String?
    package var plane: Plane?
    /// At the origin, in the hour of the planned departure.
    package var weather: Weather?
}

/// Reads a line and joins it with its airline, its airports, its plane and the weather of the hour.
///
/// - Throws: `PermanentError` for a malformed line.
package func enrich(_ raw: RawFlight, with reference: Reference) throws -> EnrichedFlight {
    let flight = try Flight(raw)
    return EnrichedFlight(
        flight: flight,
        airline: reference.airlines[flight.carrier],
        originAirport: reference.airports[flight.origin],
        destinationAirport: reference.airports[flight.destination],
        plane: flight.tailNumber.flatMap { reference.planes[$0] },
        weather: reference[weatherAt: flight.origin, flight.hourUTC]
    )
}
