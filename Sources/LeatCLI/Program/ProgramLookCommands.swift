internal import ArgumentParser
internal import Leat

/// `status` of a pipeline program: that of `leat`, on the program's own database.
struct ProgramStatusCommand<Program: PipelineProgram>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: "status", abstract: "Shows how the stages and their workers stand.")
    }

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: FormatOptions

    func run() async throws {
        let pipeline = try Program.pipeline
        try await StatusReport.print(database.path(for: pipeline), of: pipeline, output.format)
    }
}

/// `verify` of a pipeline program: that of `leat`, on the program's own database.
struct ProgramVerifyCommand<Program: PipelineProgram>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "verify", abstract: "Counts the rows and holds them against the counts kept apart.",
            discussion: VerifyReport.discussion)
    }

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: FormatOptions

    func run() async throws {
        let pipeline = try Program.pipeline
        throw try await VerifyReport.print(database.path(for: pipeline), of: pipeline, output.format).code
    }
}
