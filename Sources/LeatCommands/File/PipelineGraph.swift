package import Leat

/// The stages and queues of a pipeline file as a picture, for people or for the programs that draw it.
package struct PipelineGraph: Sendable {
    package enum Format: String, Sendable, CaseIterable {
        case text, mermaid, dot
    }

    private let stages: [StageEntry]
    private let queues: [QueueName]
    private let descriptions: [QueueName: String]

    /// - Parameter plan: that of the file; its order is the picture's.
    package init(_ file: PipelineFile, _ plan: Plan) {
        stages = plan.stages.compactMap { file[$0.name] }
        queues = plan.queues
        descriptions = Dictionary(
            file.queues.compactMap { queue in queue.description.map { (queue.name, $0) } }, uniquingKeysWith: { $1 })
    }

    /// The text, without an end of line. Names are safe by their pattern; descriptions are escaped.
    package func text(as format: Format) -> String {
        switch format {
        case .text: lines.joined(separator: "\n")
        case .mermaid: mermaid.joined(separator: "\n")
        case .dot: dot.joined(separator: "\n")
        }
    }

    /// A line for each stage: what it takes from, itself, and what it puts into.
    private var lines: [String] {
        stages.map { stage in
            let before = stage.from.map { "\($0) → " } ?? ""
            let outputs = stage.to.queues.map(\.rawValue)
            let after = outputs.isEmpty ? "" : " → " + outputs.joined(separator: ", ")
            let notes =
                (stage.whenClosed ? ["when closed"] : [])
                + (stage.after.isEmpty ? [] : ["after " + stage.after.map(\.rawValue).joined(separator: ", ")])
            return before + "[\(stage.name)]" + (notes.isEmpty ? "" : " (\(notes.joined(separator: ", ")))") + after
        }
    }

    private var mermaid: [String] {
        func label(_ name: String, _ description: String?) -> String {
            "\"" + name + (description.map { "<br/>" + Self.entities($0) } ?? "") + "\""
        }
        // The prefixes keep names apart from each other, and from words such as `end`.
        return ["flowchart LR"]
            + stages.map { "    stage_\($0.name)[\(label($0.name.rawValue, $0.description))]" }
            + queues.map { "    queue_\($0)([\(label($0.rawValue, descriptions[$0]))])" }
            + edges.map { edge in "    \(edge.from) \(edge.isControl ? "-.->" : "-->") \(edge.to)" }
    }

    private var dot: [String] {
        func label(_ name: String, _ description: String?) -> String {
            "\"" + name + (description.map { "\\n" + Self.escaped($0) } ?? "") + "\""
        }
        return ["digraph pipeline {", "    rankdir=LR;"]
            + stages.map { "    stage_\($0.name) [shape=box, label=\(label($0.name.rawValue, $0.description))];" }
            + queues.map { "    queue_\($0) [shape=ellipse, label=\(label($0.rawValue, descriptions[$0]))];" }
            + edges.map { "    \($0.from) -> \($0.to)\($0.isControl ? " [style=dashed]" : "");" } + ["}"]
    }

    private struct Edge {
        let from: String
        let to: String
        /// A stage that comes after another one, without a queue between them.
        var isControl = false
    }

    private var edges: [Edge] {
        stages.flatMap { stage in
            (stage.from.map { [Edge(from: "queue_\($0)", to: "stage_\(stage.name)")] } ?? [])
                + stage.to.queues.map { Edge(from: "stage_\(stage.name)", to: "queue_\($0)") }
                + stage.after.map { Edge(from: "stage_\($0)", to: "stage_\(stage.name)", isControl: true) }
        }
    }

    /// Mermaid's entity codes, for all but letters, digits, blanks and a few signs that mean nothing to it or to HTML.
    private static func entities(_ text: String) -> String {
        printable(text).unicodeScalars.map { scalar in
            let isPlain =
                scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || " .,-".unicodeScalars.contains(scalar)
            return isPlain ? String(scalar) : "#\(scalar.value);"
        }.joined()
    }

    private static func escaped(_ text: String) -> String {
        printable(text).replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
    }
}
