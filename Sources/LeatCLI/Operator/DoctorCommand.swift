internal import ArgumentParser

/// `leat doctor [DB]`.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Tells what a database stands on: SQLite, the file system, its room, its log.",
        discussion: """
            Without a database it tells of SQLite alone. A log that stays long has a reader that does not end; the processes \
            that read just now are listed where the system tells them. It changes nothing.
            """)

    @Argument(help: "The database: the file of a pipeline, or of queues.")
    var db: String?
    @OptionGroup var output: FormatOptions

    func run() async throws { try await DoctorReport.print(db, output.format) }
}
