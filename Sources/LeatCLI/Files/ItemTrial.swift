internal import Leat
internal import LeatCommands
internal import Logging

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// A stage's command, run on an item by hand.
struct ItemTrial: Sendable {
    private let database: OpenStore
    private let stage: StageSpec
    private let pipeline: PipelineFile
    private let parameters: Parameters

    /// - Parameter file: the pipeline file; that of the last run if not given.
    /// - Throws: ``Leat/LeatError`` when the database was not run from a file, or the file has no such stage any more.
    init(_ database: OpenStore, _ plan: Plan, stage: StageSpec, file: String?) async throws {
        self.database = database
        self.stage = stage
        let last = try await database.store.source()
        guard let path = file ?? last?.file else {
            throw LeatError(
                .notFound,
                "The database \(printable(database.path)) was not run from a pipeline file, so there is no command to try; name one with --file, or call the program's own function in a test."
            )
        }
        pipeline = try PipelineFile.read(path)
        guard pipeline[stage.name] != nil else {
            throw LeatError(
                .notFound, "\(printable(path)) has no stage '\(stage.name)'; give the right one with --file.")
        }
        let names = Set(pipeline.parameters.map(\.name))
        parameters = try pipeline.parameters(with: plan.parameters.values.filter { names.contains($0.key) })
    }

    /// - Returns: the command's status.
    func run(_ id: ItemID) async throws -> Int32 {
        let before = ItemID(id.rawValue - 1)
        guard let queue = stage.input,
            let record = try await database.store.items(in: queue, after: before, limit: 1).first, record.id == id
        else {
            throw LeatError(
                .notFound,
                "Stage '\(stage.name)' has no item \(id): it was never put, or it was pruned when it was done.")
        }
        let reason = record.reason.map { ", \(printable($0))" } ?? ""
        StandardError.write("stage '\(stage.name)', item \(id): \(record.state.rawValue)\(reason)")
        StandardError.write("running its command from \(printable(pipeline.path))")
        let out = CommandStream(STDOUT_FILENO) { try StandardOutput.writeRaw($0) }
        let err = CommandStream(STDERR_FILENO) { StandardError.write(bytes: $0) }
        let trial = Trial(
            record, of: stage.name, run: try await database.store.runID(),
            host: .worker(Logger(label: "leat.debug", factory: { _ in SwiftLogNoOpLogHandler() })))
        let result = try await trial.run(
            pipeline, parameters, output: { try out.add($0) }, errors: { err.addQuietly($0) })
        try out.finish()
        try err.finish()
        StandardError.write(result.words)
        return result.status
    }
}
