import Foundation
import Leat
import LeatCommands
import Testing

@testable import LeatCLI

@Suite("what 'leat validate' prints")
struct FileReportTests {
    private func report() throws -> FileReport {
        var file = PipelineFile(name: "words", path: "/w/words.yaml", folder: "/w")
        file.description = "Counts\u{1B}[2J"
        file.parameters = [ParameterEntry(name: "day", value: "2026"), ParameterEntry(name: "source", value: nil)]
        var read = StageEntry(
            name: "read", line: 3, kind: .producer, command: .arguments(["cat"]), mode: .source, folder: "/w")
        read.to = .all(["lines"])
        var sort = StageEntry(
            name: "sort", line: 6, kind: .consumer, command: .shell("sort"), mode: .batch, folder: "/w")
        sort.from = "lines"
        sort.whenClosed = true
        sort.description = "Sorts"
        file.stages = [sort, read]
        return FileReport(file, try file.plan(parameters: file.parameters(isComplete: false)))
    }

    @Test("is the name, the parameters, the stages in their order, and what each promises")
    func text() throws {
        let lines = try report().text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)

        #expect(
            lines.prefix(8) == [
                "Pipeline words: Counts\\u{1b}[2J", "Parameter day = 2026", "Parameter source must be given", "",
                "STAGE  KIND      MODE         FROM   TO     WORKERS",
                "read   producer  source       -      lines        1",
                "sort   consumer  when closed  lines  -            1", "",
            ])
        #expect(lines[8].hasPrefix("read: Exactly once into `lines`"))
        #expect(lines[9] == "sort: Sorts")
        #expect(lines[10].hasPrefix("    Its whole input at once"))
        #expect(lines.count == 11)
    }

    @Test("is one object as JSON")
    func json() throws {
        let data = Data(try jsonLine(try report()).utf8)
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let stages = try #require(object["stages"] as? [[String: Any]])

        #expect(object["pipeline"] as? String == "words")
        #expect((object["parameters"] as? [[String: Any]])?.last?["value"] == nil)
        #expect(stages.map { $0["stage"] as? String } == ["read", "sort"])
        #expect((stages[1]["guarantees"] as? [String])?.count == 1)
    }
}
