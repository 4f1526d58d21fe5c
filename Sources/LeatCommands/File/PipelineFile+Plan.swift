package import Leat

extension PipelineFile {
    /// A stage as a store knows it: its edges and its rules.
    package func spec(of stage: StageEntry) -> StageSpec {
        var policy = StagePolicy(
            retry: stage.retry, maxDead: stage.maxDead, crashes: stage.crashes, capacity: stage.capacity,
            rate: stage.rate, keep: stage.keep,
            durability: stage.durability)
        // A command that lives on may hold items while it waits for more.
        policy.countsHeld = stage.mode != .stream && stage.mode != .ack
        return StageSpec(
            stage.name, kind: stage.kind, input: stage.from, outputs: stage.to.queues, after: stage.after,
            takesAll: stage.whenClosed, shards: stage.shards, policy: policy)
    }

    /// The stages held against each other.
    ///
    /// - Throws: ``Leat/LeatError/Code/invalidPipeline`` with the file, and the line of the stage if it can be told.
    package func plan(parameters: Parameters) throws -> Plan {
        do {
            return try Plan(pipeline: name, stages: stages.map(spec(of:)), parameters: parameters)
        } catch let error as LeatError {
            throw located(error)
        }
    }

    /// The values of a run's parameters: the file's defaults with others for some of them.
    ///
    /// One that has neither default nor value is left out when `isComplete` is false, as it is by those who only look.
    ///
    /// - Throws: ``Leat/LeatError/Code/refused`` for a name that the file does not have, or a value that is missing or
    ///   can't be given to a command.
    package func parameters(with values: [String: String] = [:], isComplete: Bool = true) throws -> Parameters {
        let names = parameters.map(\.name)
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            guard names.contains(name) else {
                let list = names.isEmpty ? "it has none" : "its parameters are \(names.joined(separator: ", "))"
                let meant = nearest(to: name, in: names).map { "; did you mean '\($0)'?" } ?? "."
                throw LeatError(.refused, "\(file) has no parameter '\(printable(name))'; \(list)\(meant)")
            }
            guard !value.unicodeScalars.contains("\0") else {
                throw LeatError(
                    .refused, "Parameter '\(name)' has a NUL character in it, which no command can be given.")
            }
        }
        var all: [String: String] = [:]
        for parameter in parameters { all[parameter.name] = values[parameter.name] ?? parameter.value }
        if isComplete, let missing = parameters.first(where: { all[$0.name] == nil }) {
            throw LeatError(
                .refused, "\(file) must be given parameter '\(missing.name)': --param \(missing.name)=VALUE.")
        }
        return try Parameters(all)
    }

    private var file: String { printable(shownAs) }

    /// The error with the file and, when its sentence speaks of a stage, that stage's line.
    package func located(_ error: LeatError) -> LeatError {
        let named = stages.compactMap { stage in
            ["tage '\(stage.name)'", "by '\(stage.name)'"].compactMap { error.message.firstRange(of: $0)?.lowerBound }
                .min()
                .map { (stage.line, $0) }
        }
        let line = named.min { $0.1 < $1.1 }.map { ":\($0.0)" } ?? ""
        return LeatError(error.code, "\(file)\(line): \(error.message)", cause: error.cause)
    }
}
