internal import Leat

extension PipelineFile {
    /// The JSON Schema (draft 2020-12) of pipeline files, for editors.
    ///
    /// It is made from the keys that the reader reads. What keys mean together, and whether folders and stages are there, only
    /// the reader knows.
    package static var schema: JSONValue {
        JSONValue.object([
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Leat pipeline file",
            "description": "A pipeline whose stages are commands, as 'leat run' takes it.",
        ]).adding(contentsOf: FileDraft.shape.schema)
    }

    /// The keys of a file, of a queue and of a stage.
    package static var fileKeys: [KeyReference] { FileDraft.shape.references }
    package static var queueKeys: [KeyReference] { QueueDraft.shape.references }
    package static var stageKeys: [KeyReference] { StageDraft.shape.references }

    /// Keys as a table in Markdown; those of a mapping under one of them follow it, as `retry.base`.
    ///
    /// - Parameter isDeep: whether they do. Those of stages and queues have tables of their own.
    package static func table(of keys: [KeyReference], isDeep: Bool) -> String {
        var told: Set<[KeyReference]> = []
        var rows = ["| key | value | if it is left out | meaning |", "|---|---|---|---|"]
        for key in keys {
            rows.append(row(of: key, named: key.name))
            // Three kinds of stage share the keys of their commands: once is enough.
            guard isDeep, told.insert(key.keys).inserted else { continue }
            rows += key.keys.map { row(of: $0, named: "\(key.name).\($0.name)") }
        }
        return rows.joined(separator: "\n")
    }

    private static func row(of key: KeyReference, named name: String) -> String {
        let cells = [key.words, key.isNeeded ? "it must be there" : key.standard ?? "–", key.meaning]
        return "| `\(name)` | " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |"
    }
}
