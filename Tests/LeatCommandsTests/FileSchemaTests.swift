import Foundation
import Leat
import Testing

@testable import LeatCommands

@Suite("The schema of pipeline files")
struct FileSchemaTests {
    private func names(_ value: JSONValue?) -> [String] {
        guard case .object(let members) = value else { return [] }
        return members.map(\.name)
    }

    @Test("is JSON that says which draft it follows")
    func syntax() throws {
        #expect(JSONSyntax.isValid(PipelineFile.schema.text.utf8))
        #expect(PipelineFile.schema["$schema"] == "https://json-schema.org/draft/2020-12/schema")
    }

    @Test("has each key that the reader has, and no others, with its meaning")
    func keys() throws {
        let top = PipelineFile.schema["properties"]
        let stage = top?["stages"]?["additionalProperties"]
        let queue = top?["queues"]?["additionalProperties"]

        #expect(names(top) == PipelineFile.fileKeys.map(\.name))
        #expect(names(stage?["properties"]) == PipelineFile.stageKeys.map(\.name))
        #expect(names(queue?["properties"]) == PipelineFile.queueKeys.map(\.name))
        #expect(PipelineFile.schema["required"] == ["stages"])
        #expect(stage?["oneOf"] != nil)
        for (keys, object) in [
            (PipelineFile.fileKeys, PipelineFile.schema), (PipelineFile.stageKeys, stage),
            (PipelineFile.queueKeys, queue),
        ] as [([KeyReference], JSONValue?)] {
            #expect(object?["additionalProperties"] == false)
            for key in keys {
                #expect(object?["properties"]?[key.name]?["description"] == .string(key.meaning), "\(key.name)")
            }
        }
    }

    @Test("has the keys of the mappings within a stage")
    func nested() throws {
        let stage = PipelineFile.schema["properties"]?["stages"]?["additionalProperties"]?["properties"]
        for key in PipelineFile.stageKeys where !key.keys.isEmpty && key.name != "env" {
            let forms: [JSONValue?]
            if case .array(let alternatives) = stage?[key.name]?["anyOf"] {
                forms = alternatives
            } else {
                forms = [stage?[key.name]]
            }

            let object = try #require(forms.compactMap(\.self).first { $0["type"] == "object" }, "\(key.name)")
            #expect(names(object["properties"]) == key.keys.map(\.name), "\(key.name)")
            #expect(object["additionalProperties"] == false, "\(key.name)")
        }
    }

    @Test("and the reference hold a key once, with a meaning that is a sentence")
    func reference() {
        func check(_ keys: [KeyReference]) {
            #expect(Set(keys.map(\.name)).count == keys.count)
            for key in keys {
                #expect(key.meaning.hasSuffix(".") && !key.words.isEmpty, "\(key.name)")
                check(key.keys)
            }
        }
        check(PipelineFile.fileKeys)
        check(PipelineFile.queueKeys)
        check(PipelineFile.stageKeys)
    }

    @Test(
        "and the documentation have the same tables",
        arguments: [
            PipelineFile.table(of: PipelineFile.fileKeys, isDeep: false),
            PipelineFile.table(of: PipelineFile.queueKeys, isDeep: true),
            PipelineFile.table(of: PipelineFile.stageKeys, isDeep: true),
        ])
    func documentation(table: String) throws {
        #expect(try article().contains(table), "put this into PipelineFiles.md:\n\(table)")
    }

    @Test("and the documentation's examples are read as they stand")
    func examples() throws {
        let parts = try article().components(separatedBy: "```yaml\n").dropFirst()

        #expect(parts.count >= 1)
        for part in parts {
            let text = try #require(part.components(separatedBy: "```").first)
            let file = try Samples.read(text)
            _ = try file.plan(parameters: file.parameters(isComplete: false))
        }
    }

    @Test("is not needed for the starter, which is read and fits together, whatever its file is called")
    func starter() throws {
        let file = try Samples.read(Starter.text(for: "2.yaml"), name: "2.yaml")

        let plan = try file.plan(parameters: file.parameters())

        #expect(plan.stages.map(\.kind) == [.producer, .transformer, .consumer])
        #expect(Starter.text(for: "2.yaml").contains("leat run 2.yaml"))
        // A tool that looks for the line of editors finds none until its schema is there.
        #expect(Starter.text(for: "2.yaml").firstMatch(of: /(?m)^#\s*yaml-language-server/) == nil)
    }

    private func article() throws -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try String(
            contentsOf: root.appending(path: "Sources/Leat/Leat.docc/PipelineFiles.md"), encoding: .utf8)
    }
}
