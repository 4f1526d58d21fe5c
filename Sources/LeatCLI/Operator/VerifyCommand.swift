internal import ArgumentParser

/// `leat verify DB`.
struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Counts the rows and holds them against the counts kept apart.",
        discussion: VerifyReport.discussion)

    @OptionGroup var database: DatabaseArgument
    @OptionGroup var output: FormatOptions

    func run() async throws { throw try await VerifyReport.print(database.db, output.format).code }
}
