internal import ArgumentParser
internal import Leat

/// Runs one worker of one stage. It can be started by hand or by systemd, in any order, alone.
struct WorkerCommand<Program: PipelineProgram>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "worker",
            abstract: "Runs one worker of a stage, until nothing is left for it to do.",
            discussion: """
                It waits for what other stages still have to put, so workers may be started in any order. \
                SIGTERM or SIGINT drains: it commits what it has in hand, and hands back the rest.

                \(CommandStatus.help)
                """)
    }

    @Argument(help: "The stage's name.")
    var stage: String
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var opening: OpeningOptions
    @OptionGroup var parameters: ParameterOptions
    @OptionGroup var place: WorkerPlaceOptions

    func run() async throws {
        // Before anything that may take its time: the pipeline is the user's code.
        let lifeline = place.lifeline()
        let defaults = try Program.pipeline
        let stage = try stageName(stage, in: defaults.plan)
        _ = try defaults.plan.parameters.changed(to: parameters.values())
        throw try await place.tellingSupervisor {
            // A supervisor's database is there. If it isn't any more, a new one would be run from nothing.
            let database = try await opening.open(
                database.path(for: defaults), creating: place.supervisor == nil)
            let pipeline = try await parameters.pipeline(of: Program.self, defaults, on: database.store)
            let run = WorkerRun(
                stage: stage, pipeline: pipeline, database: database, supervisor: place.supervisor,
                lifeline: lifeline, log: place.log, limit: place.limit)
            return try await run.run()
        }
    }
}

/// What a supervisor tells the workers that it starts.
struct WorkerPlaceOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The process that started it and watches it.", visibility: .hidden))
    var supervisor: Int32?
    @Option(help: ArgumentHelp("Where its words go.", visibility: .hidden))
    var log: String?
    @Option(help: ArgumentHelp("How many items each shard of a producer may put in all.", visibility: .hidden))
    var limit: Int?

    /// Watches the supervisor from now on, if there is one.
    func lifeline() -> WorkerLifeline? { supervisor.map { _ in WorkerLifeline.watch() } }

    /// Ends with a status of its own where a supervisor must learn that the database is damaged.
    func tellingSupervisor(_ work: () async throws -> CommandStatus) async throws -> ExitCode {
        do {
            return try await work().code
        } catch let error as LeatError where error.code == .damaged && supervisor != nil {
            StandardError.write("error: \(error)")
            return ExitCode(ReservedStatus.damageFound)
        }
    }
}
