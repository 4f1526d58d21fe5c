internal import ArgumentParser

/// `leat status DB`.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Shows how the stages and their workers stand, and where their logs are.")

    @OptionGroup var database: DatabaseArgument
    @OptionGroup var output: FormatOptions

    func run() async throws { try await StatusReport.print(database.db, output.format) }
}
