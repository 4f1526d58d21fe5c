import Leat
import Testing

@testable import LeatCommands

@Suite("A pipeline file")
struct PipelineFileTests {
    @Test("finds a stage by its name")
    func subscripts() {
        var file = PipelineFile(name: "words", path: "/w/words.yaml", folder: "/w")
        file.stages = [
            StageEntry(
                name: "count", line: 3, kind: .consumer, command: .shell("wc"), mode: .item, folder: "/w")
        ]

        #expect(file["count"]?.line == 3)
        #expect(file["other"] == nil)
    }
}
