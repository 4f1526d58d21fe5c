import FlightsPipeline
import Leat
import LeatSQLite
import LeatTesting
import Subprocess
import Testing

@Suite("Flights")
struct FlightsTests {
    @Test("loads each flight once and reports on all of them, in memory")
    func inMemory() async throws {
        let folder = try FlightsFolder(flightsAMonth: 20)
        defer { folder.remove() }

        let results = try await resultsInMemory(data: folder.data)

        // Two of twenty are cancelled in each month, and two lines of the year are malformed.
        #expect(results.count(in: "cancelled_flight") == 24)
        #expect(results.count(in: "flight") == 12 * 18 - 2)
        #expect(results.count(in: "dead letters") == 2)
        #expect(results.count(in: "delay_by_carrier") == 1)
    }

    @Test("comes to the same whichever workers are declared dead")
    func chaotic() async throws {
        let folder = try FlightsFolder(flightsAMonth: 20)
        defer { folder.remove() }

        let report = try await chaos(flightsPipeline(data: folder.data, shots: Shots(folder: nil)), kills: 20)

        #expect(report.kills > 10)
        #expect(report.outcome == .completeWithErrors)
    }

    @Test("comes to the same as in memory when workers and the supervisor are killed")
    func killed() async throws {
        let folder = try FlightsFolder(flightsAMonth: 50)
        defer { folder.remove() }
        let database = folder.folder.path("flights.db")
        let plan = [
            "1 extract 30 worker", "2 enrich 100 worker", "3 enrich 350 worker", "4 load 300 worker",
            "5 cancelled 20 worker", "6 load 400 supervisor",
        ]
        try folder.folder.write(plan.joined(separator: "\n"), to: "shots/plan")
        let environment = ["FLIGHTS_DATA": folder.data, "FLIGHTS_SHOTS": folder.folder.path("shots")]

        let first = try await run("flights", ["run", "--db", database], environment: environment)
        let second = try await run("flights", ["run", "--db", database], environment: environment)

        #expect(first.status == .signaled(9), "\(first.output)\(first.errors)")
        #expect(second.status == .exited(30), "\(second.output)\(second.errors)")
        for number in 1...6 { #expect(folder.folder.exists("shots/\(number).fired"), "shot \(number) did not land") }
        let store = try await SQLiteStore.open(database, creating: false)
        #expect(
            try await Results(of: store).differences(from: resultsInMemory(data: folder.data)) == [])
        #expect(try await store.verify() == [])
    }

    @Test("says which rows differ, and how often each stands there")
    func differences() {
        let expected = Results(rows: ["flight": ["a": 1, "b": 1]])
        let found = Results(rows: ["flight": ["a": 2]])

        #expect(expected.differences(from: expected).isEmpty)
        #expect(
            found.differences(from: expected) == [
                "flight: 2 times where 1 were expected: a",
                "flight: 0 times where 1 were expected: b",
            ])
    }

    @Test("refuses a plan of shots that it can't read")
    func plan() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try folder.write("1 enrich soon worker\n", to: "plan")

        #expect(throws: PermanentError.self) { try Shots(folder: folder.path("")) }
    }
}
