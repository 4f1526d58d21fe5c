/// Stages joined by queues: plain functions, and what flows between them.
///
/// Making one checks all of it: names, edges, cycles, and that the stages mean
/// the same type by each queue. Nothing runs until it is told to.
///
/// ```swift
/// let pipeline = try Pipeline("squares") {
///     Producer("numbers", to: "n", repeating: { 1...1000 })
///     Transformer("square", from: "n", to: "squares") { (n: Int) in n * n }
///     Consumer("print", from: "squares") { (square: Int) in print(square) }
/// }
/// try await pipeline.runInMemory()
/// ```
public struct Pipeline: Sendable {
    public let name: String
    public let plan: Plan
    /// In topological order.
    public let stages: [StageDefinition]

    /// - Throws: ``LeatError/Code/invalidPipeline`` or ``LeatError/Code/invalidName``, with what to change.
    public init(
        _ name: String, parameters: Parameters = [:], @PipelineBuilder _ stages: () throws -> [any PipelineStage]
    ) throws {
        try Self.check(name)
        let definitions = try stages().map(\.definition)
        let plan = try Plan(pipeline: name, stages: definitions.map(\.spec), parameters: parameters)
        for definition in definitions {
            try Self.check(definition)
            try Self.checkCycle(definition, in: plan)
        }
        try Self.checkValueTypes(definitions)
        try Self.checkOrders(definitions)
        self.name = name
        self.plan = plan
        self.stages = plan.stages.compactMap { spec in definitions.first { $0.name == spec.name } }
    }

    public subscript(stage: StageName) -> StageDefinition? { stages.first { $0.name == stage } }

    /// The name becomes a file's name.
    package static func isName(_ name: String) -> Bool {
        let isLetter = { (byte: UInt8) in (97...122).contains(byte) || (65...90).contains(byte) }
        return name.utf8.count <= 63 && name.utf8.first.map(isLetter) == true
            && name.utf8.allSatisfy { isLetter($0) || (48...57).contains($0) || $0 == 95 || $0 == 45 }
    }

    private static func check(_ name: String) throws {
        guard isName(name) else {
            throw LeatError(
                .invalidName,
                "'\(printable(name))' can't be the name of a pipeline: it must begin with a letter and go on with at most 62 letters, digits, underscores or hyphens."
            )
        }
    }

    private static func check(_ stage: StageDefinition) throws {
        func refuse(_ message: String) -> LeatError { LeatError(.invalidPipeline, message) }
        if let problem = stage.problem { throw refuse(problem) }
        let spec = stage.spec
        if let input = spec.input, !spec.after.isEmpty {
            throw refuse(
                "Stage '\(spec.name)' takes from queue '\(input)' and is to come after other stages as well; make it a consumer of the queue or a stage that comes after, not both."
            )
        }
        if spec.kind != .producer, spec.input == nil, spec.after.isEmpty {
            throw refuse("Stage '\(spec.name)' has no input and comes after no stage, so it would never run.")
        }
        if stage.workers > 1, spec.hasEnding {
            throw refuse(
                "Stage '\(spec.name)' is to have \(stage.workers) workers, but its work is one unit that one worker does; leave out workers(\(stage.workers))."
            )
        }
    }

    /// A cycle ends when nothing of it is in anybody's hands, and a stream may hold items until its input has ended.
    private static func checkCycle(_ stage: StageDefinition, in plan: Plan) throws {
        guard case .stream = stage.body else { return }
        let isInCycle =
            stage.spec.outputs.contains { $0 == stage.spec.input }
            || plan.units.contains { $0.count > 1 && $0.contains(stage.name) }
        guard isInCycle else { return }
        throw LeatError(
            .invalidPipeline,
            "Stage '\(stage.name)' takes its input as a sequence and is part of a cycle: each would wait for the other's end; give it a function of one item or of a batch."
        )
    }

    private static func checkOrders(_ stages: [StageDefinition]) throws {
        for taker in stages {
            guard let queue = taker.spec.input else { continue }
            let givers = stages.filter { $0.outputTypes[queue] != nil }
            guard let grouped = givers.first(where: { $0.outputTypes[queue]?.isGrouped == true }),
                let loose = givers.first(where: { $0.outputTypes[queue]?.isGrouped == false })
            else { continue }
            throw LeatError(
                .invalidPipeline,
                "Stage '\(grouped.name)' puts into queue '\(queue)' by group, and stage '\(loose.name)' without one, so that its items would overtake the others; let them share one QueueReference."
            )
        }
    }

    private static func checkValueTypes(_ stages: [StageDefinition]) throws {
        for taker in stages {
            guard let queue = taker.spec.input, let taken = taker.inputType else { continue }
            for giver in stages {
                guard let given = giver.outputTypes[queue], given != taken else { continue }
                throw LeatError(
                    .invalidPipeline,
                    "Stage '\(giver.name)' puts values of type \(given) into queue '\(queue)', from which stage '\(taker.name)' takes \(taken); make both the same type."
                )
            }
        }
    }
}
