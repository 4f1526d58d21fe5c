internal import ArgumentParser
internal import Foundation
internal import Leat
internal import LeatCommands
internal import LeatProcess
internal import Logging

/// A pipeline file and the database that it is run on.
struct FilePipeline: Sendable {
    let file: PipelineFile
    /// The command line's values of the run's parameters.
    let given: [String: String]
    let path: String
    /// Its stages, as they are without a run's parameters.
    let plan: Plan

    /// How many workers each stage has.
    var workers: [StageName: Int] {
        Dictionary(file.stages.map { ($0.name, $0.workers) }, uniquingKeysWith: { first, _ in first })
    }

    /// - Parameters:
    ///   - snapshot: a copy that is read in its place.
    ///   - database: where, if not in the pipeline's name with `.db` in this folder.
    init(_ path: String, snapshot: String? = nil, database: String?, _ parameters: ParameterOptions) throws {
        file = try PipelineFile.read(path, snapshot: snapshot)
        given = try parameters.values()
        self.path = database ?? "\(file.name).db"
        // Before a database is made for it: names, and how the stages fit together.
        plan = try file.plan(parameters: file.parameters(with: given, isComplete: false))
    }

    /// Opens the database and makes the pipeline, with the parameters of the run that is there already.
    ///
    /// - Parameters:
    ///   - creating: whether a database that isn't there is made.
    ///   - host: what the commands have in common.
    func open(
        creating: Bool, opening: OpeningOptions, host: CommandHost
    ) async throws -> (OpenStore, Pipeline) {
        // A parameter that is missing must not leave an empty database behind.
        if creating, !FileManager.default.fileExists(atPath: path) { _ = try pipeline(stored: nil, host) }
        let database = try await opening.open(path, creating: creating)
        return (database, try pipeline(stored: try await database.store.plan(), host))
    }

    /// Says what has changed since the run was last continued, and writes down what it goes on with.
    ///
    /// - Throws: ``Leat/LeatError/Code/pipelineChanged``, with what to do, for what it can't go on with.
    func noteChanges(_ pipeline: Pipeline, on database: OpenStore, say: (String) -> Void) async throws {
        if let stored = try await database.store.plan(), stored.pipeline != nil {
            if let refusal = pipeline.plan.refusal(by: stored) {
                throw LeatError(
                    .pipelineChanged,
                    "The run in \(printable(database.path)) can't go on with \(printable(file.shownAs)): \(refusal.message)"
                )
            }
            for parameter in file.parameters {
                guard let kept = stored.parameters.values[parameter.name], let standard = parameter.value,
                    kept != standard, given[parameter.name] == nil
                else { continue }
                say(
                    "Parameter '\(parameter.name)' keeps the value of this run, '\(printable(kept))'; '\(printable(standard))' is what a new run begins with."
                )
            }
            if let source = try await database.store.source() {
                let changes = file.changes(since: source, try await database.store.pipelineStatus())
                for change in changes { say("\(printable(file.shownAs)) has changed: \(change).") }
            }
        }
        try await database.store.install(pipeline.plan)
        try await database.store.note(file.source)
    }

    private func pipeline(stored: Plan?, _ host: CommandHost) throws -> Pipeline {
        let known = stored?.pipeline == file.name ? stored?.parameters.values ?? [:] : [:]
        let names = Set(file.parameters.map(\.name))
        let values = known.filter { names.contains($0.key) }.merging(given) { $1 }
        return try file.pipeline(parameters: file.parameters(with: values), host: host)
    }
}

extension CommandHost {
    /// For whoever only looks at the stages: no command is run here.
    static var idle: CommandHost {
        CommandHost(environment: ProcessInfo.processInfo.environment, logger: Logger(label: "leat.command"))
    }

    /// For a worker: its commands end with it, whatever becomes of it.
    static func worker(_ logger: Logger) -> CommandHost {
        CommandHost(environment: ProcessInfo.processInfo.environment, logger: logger) {
            try Guardian.start(executablePath())
        }
    }
}

/// The pipeline file that a command works with.
struct FileArgument: ParsableArguments {
    @Argument(help: "The pipeline file.", completion: .file(extensions: ["yaml", "yml"]))
    var file: String
}

/// Which database a pipeline file is run on.
struct FileDatabaseOptions: ParsableArguments {
    @Option(name: .customLong("db"), help: "The database (default: the pipeline's name with .db, in this folder).")
    var path: String?
}
