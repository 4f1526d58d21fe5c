internal import ArgumentParser
internal import Leat
internal import LeatCommands

/// `leat run FILE`: runs a pipeline file, or resumes what an earlier run has left.
struct RunFileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Runs a pipeline file, or resumes what an earlier run has left.",
        discussion: """
            The stages are commands, run by worker processes; what is settled is never done again, so the same command \
            resumes. SIGTERM or SIGINT drains: workers commit what they have in hand; a command that is not through after five \
            seconds is ended, and its item handed back uncharged. A second signal kills them.

            A run of a part (--until, --from, --only, --limit) ends when that part can do no more, with its status; what \
            was left out stays as it is, for a later run. 'leat init' writes a file to begin with, 'leat validate' tells \
            what one promises.
            """)

    @OptionGroup var source: FileArgument
    @OptionGroup var database: FileDatabaseOptions
    @OptionGroup var options: RunOptions

    func run() async throws {
        let file = try FilePipeline(source.file, database: database.path, options.parameters)
        // Before a database is made for it.
        let selection = try options.selection.selection(in: file.plan)
        let counts = try WorkerCount.counts(options.workers, of: file.workers, in: file.plan)
        let (database, pipeline) = try await file.open(creating: true, opening: options.opening, host: .idle)
        let isQuiet = options.quiet
        let run = try ProgramRun(
            pipeline: pipeline, database: database, workers: counts, selection: selection, chaos: options.chaos.chaos,
            opening: options.opening.arguments, display: options.display(pipeline.name),
            worker: { ["worker", file.file.path, $0.rawValue, "--snapshot", database.snapshot] },
            prepare: {
                try await file.noteChanges(pipeline, on: database) { if !isQuiet { StandardError.write($0) } }
                try file.file.save(to: database.snapshot)
            })
        let status = try await run.run()
        if !isQuiet, status == .completeWithErrors || status == .stageFailed {
            let path = printable(self.database.path ?? database.path)
            StandardError.write("'leat dead \(path)' lists dead letters, 'leat attempts \(path)' each failed attempt.")
        }
        throw status.code
    }
}
