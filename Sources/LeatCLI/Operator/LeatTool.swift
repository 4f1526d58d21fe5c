package import ArgumentParser
internal import LeatProcess

/// The `leat` command: looks at a database of any pipeline and gives orders, whether it runs or rests.
package struct LeatTool: AsyncParsableCommand {
    package static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "leat",
            abstract: "Works with pipeline files and queues, looks at a pipeline's database, and gives orders.",
            discussion: """
                It works on a database that runs or rests; 'put', 'run' and 'worker' make one that isn't there.

                \(CommandStatus.help)
                """,
            version: "0.1.0",
            subcommands: [
                InitCommand.self, ValidateCommand.self, SchemaCommand.self,
                RunFileCommand.self, WorkerFileCommand.self, DebugCommand.self,
                PutCommand.self, TakeCommand.self, QueuesCommand.self, SealCommand.self, ReopenCommand.self,
                StatusCommand.self, MetricsCommand.self, VerifyCommand.self, DoctorCommand.self, PeekCommand.self,
                DeadCommand.self,
                AttemptsCommand.self,
                RetryCommand.self, SkipCommand.self, RestartCommand.self,
            ])
    }

    package static var _errorLabel: String { "error" }

    package init() {}

    /// What is said of a command line that was refused, or that asked for help.
    package static func answer(to error: any Error) -> String {
        let ending = CommandRunner.ending(for: error, LeatTool.self)
        return (ending.output ?? "") + (ending.error ?? "")
    }

    /// Runs the command line and ends the process.
    @concurrent
    package static func main() async {
        // Before anything else: then it is not the tool, but the guardian of a worker's commands.
        Guardian.serve(CommandLine.arguments)
        await CommandRunner.main(LeatTool.self)
    }
}

struct DatabaseArgument: ParsableArguments {
    @Argument(help: "The database: the file of a pipeline, or of queues.")
    var db: String
}
