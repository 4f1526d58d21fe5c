package import Leat

/// A stage of a pipeline file, as the engine runs it.
private struct FileStage: PipelineStage {
    var definition: StageDefinition
}

extension PipelineFile {
    /// The pipeline that the file describes, with commands as its stages.
    ///
    /// - Parameters:
    ///   - parameters: of the run; they reach the commands as variables.
    ///   - host: what the commands have in common.
    /// - Throws: ``Leat/LeatError/Code/invalidPipeline`` when the stages do not fit together.
    package func pipeline(parameters: Parameters, host: CommandHost) throws -> Pipeline {
        let plan = try plan(parameters: parameters)
        return try Pipeline(plan.pipeline ?? name, parameters: parameters) {
            for entry in stages {
                FileStage(
                    definition: try CommandStage(entry, of: self, parameters, host).definition(
                        plan.stage(entry.name) ?? spec(of: entry)))
            }
        }
    }
}

extension CommandStage {
    /// Its timeout is its command's, which is ended then; the engine's own, which ends the worker, is only for a worker that
    /// does not do that.
    private static let margin = Duration.seconds(60)

    func definition(_ spec: StageSpec) -> StageDefinition {
        var definition = StageDefinition(spec, body: body)
        definition.workers = entry.workers
        definition.concurrency = entry.concurrency
        definition.outputOrder = entry.outputOrder
        definition.batch = batch
        // A process each may be slow, and then one worker keeps no items from the others.
        definition.firstBatch = 1
        definition.timeout = (timeout ?? .seconds(60)) + Self.margin
        return definition
    }

    /// How many items a long-lived command may have without an answer.
    private var window: Int {
        entry.batch ?? (entry.mode == .stream ? 1000 : 100)
    }

    private var batch: Int {
        switch entry.mode {
        case .stream, .ack: max(window / 2, 1)
        case .item, .batch, .source: entry.batch ?? 100
        }
    }

    private var body: StageBody {
        guard let input = entry.from else {
            return entry.kind == .producer ? .source { try await produce($0) } : .after { try await runOnce() }
        }
        switch entry.mode {
        case .item: return .item { try await work(on: $0, &$1) }
        case .batch: return entry.whenClosed ? .all { batch($0) } : .batch { batch($0) }
        case .stream: return .stream { try await stream($0) }
        case .ack: return .stream { try await acknowledge($0, input) }
        case .source: preconditionFailure("a stage with an input is no source; the file's reader refuses it")
        }
    }

    private func stream(_ desk: StreamDesk) async throws {
        let words = StreamWords(entry.proof ?? .trust, reader, holdBack, timeout: timeout ?? .seconds(60))
        let run = try await desk.runID()
        try await LongLived(self, desk, words, window: window).run(["LEAT_RUN": run])
    }

    private func acknowledge(_ desk: StreamDesk, _ queue: QueueName) async throws {
        let run = try await desk.runID()
        let words = AckWords(entry.name, queue, run: run, window: window, reader)
        try await LongLived(self, desk, words, window: window).run(["LEAT_RUN": run])
    }
}
