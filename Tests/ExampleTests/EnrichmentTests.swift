import FlightsPipeline
import Leat
import LeatTesting
import Testing

@Suite("A flight's line")
struct EnrichmentTests {
    static let good =
        "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z"

    static func raw(_ text: String) -> RawFlight { RawFlight(month: "2013-01", line: 7, text: text) }

    static var reference: Reference {
        var reference = Reference(
            airlines: ["UA": "United Air Lines Inc."],
            airports: ["EWR": "Newark Liberty Intl"],
            planes: ["N14228": Plane(manufacturer: "BOEING", model: "737-824", year: 1999, seats: 149)])
        reference[weatherAt: "EWR", "2013-01-01T10:00:00Z"] = Weather(temperature: 39.02)
        return reference
    }

    @Test("is joined with its airline, plane, airports and the weather of the hour")
    func joins() throws {
        let enriched = try enrich(Self.raw(Self.good), with: Self.reference)

        #expect(enriched.flight.departureDelay == 2)
        #expect(enriched.flight.arrivalDelay == 11)
        #expect(!enriched.flight.isCancelled)
        #expect(enriched.airline == "United Air Lines Inc.")
        #expect(enriched.originAirport == "Newark Liberty Intl")
        #expect(enriched.plane?.seats == 149)
        #expect(enriched.weather?.temperature == 39.02)
    }

    @Test("is a dead letter of its stage when it can't be read, and its neighbours are not")
    func stage() async throws {
        let stage = Transformer("enrich", from: "raw", to: "rich") { (flight: RawFlight) in
            try enrich(flight, with: Self.reference)
        }

        let made = try await outputs(
            of: stage, from: [Self.raw(Self.good), Self.raw("2013,1,1"), Self.raw(Self.good)], as: EnrichedFlight.self)

        #expect(made.values.map(\.airline) == ["United Air Lines Inc.", "United Air Lines Inc."])
        #expect(made.deadLetters.map(\.reason) == ["2013-01, line 7: 3 fields where 19 were expected."])
        #expect(made.attempts.count == 1)
    }

    @Test("goes on without what is not on file")
    func unknownPlane() throws {
        let enriched = try enrich(Self.raw(Self.good), with: Reference())

        #expect(enriched.flight.tailNumber == "N14228")
        #expect(enriched.plane == nil)
        #expect(enriched.destinationAirport == nil)
        #expect(enriched.weather == nil)
    }

    @Test("without a departure is a cancelled flight")
    func cancelled() throws {
        let line = "2013,1,1,NA,1630,NA,NA,1815,NA,EV,4308,NA,EWR,RDU,NA,416,16,30,2013-01-01T21:00:00Z"

        let flight = try Flight(Self.raw(line))

        #expect(flight.isCancelled)
        #expect(flight.tailNumber == nil)
        #expect(flight.departureDelay == nil)
    }

    @Test(
        "is refused for good when it is malformed, with the place and what was found",
        arguments: [
            ("2013,1,1,517,515", "5 fields where 19 were expected"),
            (good + ",EWR", "20 fields where 19 were expected"),
            ("", "1 fields where 19 were expected"),
            (good.replacing(",517,", with: ",half past five,"), "dep_time is 'half past five', which is no number"),
            (good.replacing(",517,", with: ",2575,"), "dep_time is 2575, which no clock shows"),
            (good.replacing("EWR", with: "Q?Q"), "origin is 'Q?Q', which is no airport's code"),
            (good.replacing(",1400,", with: ",NA,"), "distance is missing"),
        ])
    func malformed(line: String, reason: String) throws {
        let error = #expect(throws: PermanentError.self) { try enrich(Self.raw(line), with: Self.reference) }

        #expect(error?.description == "2013-01, line 7: \(reason).")
    }

    @Test("is reached by composing the functions as they are")
    func composed() throws {
        let folder = try FlightsFolder(flightsAMonth: 3)
        defer { folder.remove() }
        let reference = try Reference(folder: folder.data)

        let flights = try extract("2013-02", after: 1, from: folder.data).map { try enrich($0, with: reference) }

        #expect(flights.map(\.flight.line) == [2, 3])
        #expect(flights.allSatisfy { $0.flight.month == "2013-02" })
    }
}
