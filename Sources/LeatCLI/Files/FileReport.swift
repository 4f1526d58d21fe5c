internal import Leat
internal import LeatCommands

/// What a pipeline file says and promises.
struct FileReport: Encodable {
    struct Parameter: Encodable {
        let name: String
        /// `nil`: it must be given.
        let value: String?
    }

    struct Stage: Encodable {
        let stage: StageName
        let kind: String
        let mode: String
        let description: String?
        let from: QueueName?
        let to: [QueueName]
        let after: [StageName]
        let workers: Int
        let guarantees: [String]
    }

    let pipeline: String
    let description: String?
    let parameters: [Parameter]
    /// In topological order.
    let stages: [Stage]

    init(_ file: PipelineFile, _ plan: Plan) {
        pipeline = file.name
        description = file.description
        parameters = file.parameters.map { Parameter(name: $0.name, value: plan.parameters.values[$0.name]) }
        stages = plan.stages.compactMap { file[$0.name] }.map { entry in
            Stage(
                stage: entry.name, kind: entry.kind.rawValue, mode: entry.modeInWords, description: entry.description,
                from: entry.from, to: entry.to.queues, after: entry.after, workers: entry.workers,
                guarantees: file.guarantees(of: entry))
        }
    }

    var text: String {
        var lines = ["Pipeline \(pipeline)\(description.map { ": \(printable($0))" } ?? "")"]
        for parameter in parameters {
            lines.append(
                "Parameter \(parameter.name)" + (parameter.value.map { " = \(printable($0))" } ?? " must be given"))
        }
        var table = TextTable(["STAGE", "KIND", "MODE", "FROM", "TO", "WORKERS"])
        for stage in stages {
            table.add([
                stage.stage, stage.kind, stage.mode, stage.from?.rawValue ?? "-",
                stage.to.isEmpty ? "-" : stage.to.map(\.rawValue).joined(separator: ", "), stage.workers,
            ])
        }
        lines += ["", table.text, ""]
        for stage in stages {
            if let description = stage.description { lines.append("\(stage.stage): \(printable(description))") }
            lines += stage.guarantees.enumerated().map { index, sentence in
                index == 0 && stage.description == nil ? "\(stage.stage): \(sentence)" : "    \(sentence)"
            }
        }
        return lines.joined(separator: "\n")
    }
}

extension StageEntry {
    fileprivate var modeInWords: String {
        if whenClosed { return "when closed" }
        return after.isEmpty ? mode.rawValue : "after"
    }
}
