internal import ArgumentParser
internal import FlightsPipeline
internal import Leat
internal import LeatSQLite

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// What the demonstration asks about a database that a run has left.
@main
struct FlightsCheck: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flights-check",
        abstract: "Show and check what a run of flights came to.",
        subcommands: [Show.self, Compare.self, Known.self]
    )
}

struct Database: ParsableArguments {
    @Argument(help: "The database that the run has left.")
    var database: String

    func open() async throws -> SQLiteStore { try await SQLiteStore.open(database, creating: false) }
}

/// Ends with 1 and the lines on standard output if there are any, otherwise says that all is well.
private func conclude(_ differences: [String], well: String) throws {
    for line in differences.prefix(50) { print(line) }
    if differences.count > 50 { print("… \(differences.count) differences in all") }
    guard differences.isEmpty else { throw ExitCode.failure }
    print(well)
}

struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "report", abstract: "Print the delay tables.")
    @OptionGroup var database: Database

    func run() async throws { print(try await Report.text(from: database.open())) }
}

struct Compare: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare every row and dead letter with a run of the same functions in memory.")
    @OptionGroup var database: Database

    func run() async throws {
        let data = ProcessInfo.processInfo.environment["FLIGHTS_DATA"] ?? ".demo/slice"
        let store = try await database.open()
        let expected = try await resultsInMemory(data: data)
        let found = try await Results(of: store)

        for table in expected.rows.keys.sorted() {
            print("\(table): \(found.count(in: table)) rows, \(expected.count(in: table)) in memory")
        }
        try conclude(found.differences(from: expected), well: "equal")
    }
}

struct Known: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "figures", abstract: "Hold the tables of a full run against figures known from elsewhere.")
    @OptionGroup var database: Database

    func run() async throws {
        try conclude(
            try await Figures.differences(in: database.open()),
            well: "8,255 cancelled, 327,346 arrivals and five carriers' mean delays are as published")
    }
}
