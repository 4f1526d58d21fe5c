internal import ArgumentParser
internal import Leat

/// Runs the whole pipeline: starts its workers, restarts those that die, and ends when no stage can go on.
struct RunCommand<Program: PipelineProgram>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "run",
            abstract: "Runs the pipeline, or resumes what an earlier run has left.",
            discussion: """
                Trips and crash budgets of stages are cleared; what is settled is never done again. \
                SIGTERM or SIGINT drains: workers commit what they have in hand. A second signal kills them.

                \(CommandStatus.help)
                """)
    }

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var lease: LeaseOptions
    @Option(
        help: ArgumentHelp("How many workers a stage has; once a stage.", valueName: "stage=n"))
    var workers: [WorkerCount] = []
    @Flag(help: "Print nothing but errors.")
    var quiet = false
    @OptionGroup var output: FormatOptions

    func run() async throws {
        let pipeline = try Program.pipeline
        let database = try await OpenStore.open(
            database.path(for: pipeline), creating: true, lease: lease.duration)
        let run = try ProgramRun(
            pipeline: pipeline, database: database, workers: workers, lease: lease.lease,
            display: RunDisplay(quiet ? .none : .chosen(by: output.format), pipeline: pipeline.name))
        throw try await run.run().code
    }
}

/// `STAGE=N`, as it is written on the command line.
struct WorkerCount: ExpressibleByArgument, Sendable, Hashable {
    let stage: String
    let count: Int

    init?(argument: String) {
        let parts = argument.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, let count = Int(parts[1]), (1...1000).contains(count) else {
            return nil
        }
        stage = String(parts[0])
        self.count = count
    }
}
