import FlightsPipeline
import Foundation
import GRDB
import Leat
import LeatSQLite
import Subprocess
import Testing

@Suite("FlightsCommands", .timeLimit(.minutes(3)))
struct FlightsCommandsTests {
    /// What a run has left.
    private struct Outcome {
        var results: Results
        var columns: [String: [String]]
        var reasons: [String]

        /// - Parameters:
        ///   - database: where the pipeline is.
        ///   - tables: where its result is.
        init(_ database: String, tables: String) async throws {
            results = try Results(tablesOf: tables)
            columns = try await DatabaseQueue(path: tables).read { db in
                try Dictionary(
                    uniqueKeysWithValues: Tables.all.map { table in
                        (table, try db.columns(in: table).map(\.name))
                    })
            }
            let store = try await SQLiteStore.open(database, creating: false)
            reasons = try await store.deadLetters(of: "enrich", limit: 1000).map(\.reason).sorted()
            #expect(try await store.verify() == [])
        }
    }

    /// What the Swift example makes of the same data.
    private func swift(_ flights: FlightsFolder) async throws -> Outcome {
        let database = flights.folder.path("swift.db")
        let ending = try await run("flights", ["run", "--db", database], environment: ["FLIGHTS_DATA": flights.data])
        #expect(ending.status == .exited(30), "\(ending.output)\(ending.errors)")
        return try await Outcome(database, tables: database)
    }

    private func commands(
        _ flights: FlightsFolder, file: String, _ options: [String] = []
    ) async throws -> (Outcome, Ending) {
        let (database, result) = (flights.folder.path("commands.db"), flights.folder.path("result.db"))
        let parameters = ["--param", "data=\(flights.data)", "--param", "result=\(result)"]
        let ending = try await run("leat", ["run", file, "--db", database] + parameters + options)
        #expect(ending.status == .exited(30), "\(ending.output)\(ending.errors)")
        return (try await Outcome(database, tables: result), ending)
    }

    private func expectSame(_ found: Outcome, _ expected: Outcome) {
        #expect(found.results.differences(from: expected.results) == [])
        #expect(found.columns == expected.columns)
        #expect(found.reasons == expected.reasons)
    }

    @Test("comes to the rows, columns and dead letters that the Swift example comes to")
    func same() async throws {
        let flights = try FlightsFolder(flightsAMonth: 50)
        defer { flights.remove() }

        let expected = try await swift(flights)
        let (found, _) = try await commands(flights, file: exampleFolder("FlightsCommands") + "/flights.yaml")

        #expect(found.results.count(in: "flight") == 12 * 45 - 2)
        #expect(found.reasons.count == 2)
        expectSame(found, expected)
    }

    @Test("comes to the same when workers are killed all the time")
    func chaos() async throws {
        let flights = try FlightsFolder(flightsAMonth: 50)
        defer { flights.remove() }
        let file = try flights.folder.copyOfExample("FlightsCommands") + "/flights.yaml"
        _ = try flights.folder.copyOfExample("Protocol")
        // Some seconds long, so that there is time to be killed in.
        let text = try String(contentsOfFile: file, encoding: .utf8)
        try text.replacing("    workers: 2\n", with: "    workers: 8\n    rate: 100/s\n    batch: 5\n")
            .replacing("    batch: 1000\n", with: "    batch: 10\n")
            .write(toFile: file, atomically: true, encoding: .utf8)

        let expected = try await swift(flights)
        let (found, ending) = try await commands(flights, file: file, ["--chaos", "kill=5%,seed=30"])

        let killed = try #require(ending.errors.firstMatch(of: /chaos killed ([0-9]+) worker/), "\(ending.errors)")
        #expect(try #require(Int(killed.1)) >= 5)
        expectSame(found, expected)
    }
}
