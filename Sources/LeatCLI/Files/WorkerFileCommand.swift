internal import ArgumentParser
internal import Leat
internal import LeatCommands
internal import Logging

/// `leat worker FILE STAGE`: runs one worker of one stage of a pipeline file.
struct WorkerFileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Runs one worker of a stage of a pipeline file, until nothing is left for it to do.",
        discussion: """
            It waits for what other stages still have to put, so workers may be started in any order, by hand or by \
            systemd. SIGTERM or SIGINT drains: it finishes and commits what it has in hand, and hands back the rest.
            """)

    @OptionGroup var source: FileArgument
    @Argument(help: "The stage's name.")
    var stage: String
    @OptionGroup var database: FileDatabaseOptions
    @OptionGroup var opening: OpeningOptions
    @OptionGroup var parameters: ParameterOptions
    @OptionGroup var place: WorkerPlaceOptions
    @Option(help: ArgumentHelp("The file as it was when the run began.", visibility: .hidden))
    var snapshot: String?

    func run() async throws {
        let lifeline = place.lifeline()
        let file = try FilePipeline(source.file, snapshot: snapshot, database: database.path, parameters)
        let name = try stageName(stage, in: file.plan)
        var logger = ConsoleLog.logger("leat.command", level: .info, through: nil)
        logger[metadataKey: "stage"] = "\(name)"
        throw try await place.tellingSupervisor {
            let (database, pipeline) = try await file.open(
                creating: place.supervisor == nil, opening: opening, host: .worker(logger))
            // Of its supervisor's workers the run has spoken already.
            if place.supervisor == nil { try await file.noteChanges(pipeline, on: database, say: StandardError.write) }
            let run = WorkerRun(
                stage: name, pipeline: pipeline, database: database, supervisor: place.supervisor,
                lifeline: lifeline, log: place.log, limit: place.limit)
            return try await run.run()
        }
    }
}
