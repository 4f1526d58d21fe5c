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

                A run of a part (--until, --from, --only, --limit) ends when that part can do no more, with its status; \
                what was left out stays as it is, for a later run.

                \(CommandStatus.help)
                """)
    }

    @OptionGroup var database: DatabaseOptions
    @OptionGroup var options: RunOptions

    func run() async throws {
        let defaults = try Program.pipeline
        // Before a database is made for it.
        let counts = try WorkerCount.counts(options.workers, of: defaults)
        let selection = try options.selection.selection(in: defaults.plan)
        _ = try defaults.plan.parameters.changed(to: options.parameters.values())
        let database = try await options.opening.open(database.path(for: defaults), creating: true)
        let pipeline = try await options.parameters.pipeline(of: Program.self, defaults, on: database.store)
        let run = try ProgramRun(
            pipeline: pipeline, database: database, workers: counts, selection: selection, chaos: options.chaos.chaos,
            opening: options.opening.arguments, display: options.display(pipeline.name))
        throw try await run.run().code
    }
}

/// What all commands that run a pipeline are told, beside which pipeline and where.
struct RunOptions: ParsableArguments {
    @OptionGroup var opening: OpeningOptions
    @Option(
        help: ArgumentHelp("How many workers a stage has; once a stage.", valueName: "stage=n"))
    var workers: [WorkerCount] = []
    @OptionGroup var selection: SelectionOptions
    @OptionGroup var chaos: ChaosOptions
    @OptionGroup var parameters: ParameterOptions
    @Flag(help: "Print nothing but errors.")
    var quiet = false
    @OptionGroup var output: FormatOptions

    func display(_ pipeline: String) -> RunDisplay {
        RunDisplay(quiet ? .none : .chosen(by: output.format), pipeline: pipeline)
    }
}

/// `STAGE=N`, as it is written on the command line.
struct WorkerCount: ExpressibleByArgument, Sendable, Hashable {
    let stage: String
    let count: Int

    init?(argument: String) {
        let parts = argument.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, let count = Int(parts[1]) else { return nil }
        stage = String(parts[0])
        self.count = count
    }

    /// How many workers each stage has: what the pipeline says, unless it is wished otherwise.
    ///
    /// - Throws: ``LeatError`` for a stage that isn't there, is named twice, or can't have so many.
    static func counts(_ wishes: [WorkerCount], of pipeline: Pipeline) throws -> [StageName: Int] {
        let workers = Dictionary(
            pipeline.stages.map { ($0.name, $0.workers) }, uniquingKeysWith: { first, _ in first })
        return try counts(wishes, of: workers, in: pipeline.plan)
    }

    static func counts(
        _ wishes: [WorkerCount], of workers: [StageName: Int], in plan: Plan
    ) throws -> [StageName: Int] {
        var counts = workers
        var named: Set<StageName> = []
        for wish in wishes {
            let name = try stageName(wish.stage, in: plan)
            guard named.insert(name).inserted else {
                throw LeatError(.refused, "--workers names stage '\(name)' twice; name each stage once.")
            }
            guard (1...1000).contains(wish.count) else {
                throw LeatError(
                    .refused, "Stage '\(name)' can't have \(wish.count) workers; give a number from 1 to 1000.")
            }
            if wish.count > 1, plan.stage(name)?.hasEnding == true {
                throw LeatError(
                    .refused,
                    "Stage '\(name)' does one piece of work once, so it has one worker; leave out --workers \(name)=\(wish.count)."
                )
            }
            counts[name] = wish.count
        }
        return counts
    }
}
