import Leat
import Testing

@testable import LeatCommands

@Suite("The picture of a pipeline file")
struct PipelineGraphTests {
    private static let text = """
        queues:
          all: {description: 'A "line" <b>'}
          short: {}
        stages:
          make: {produce: [x], to: all, description: "Says \\"hi\\"; [a] --> b\\nc\\\\N"}
          cut: {transform: [x], from: all, to: {route: [short, all]}}
          end: {consume: [x], from: short, when: closed}
          tell: {consume: [x], after: [make, end]}
        """

    private func graph(_ format: PipelineGraph.Format) throws -> String {
        let file = try Samples.read(Self.text)
        return PipelineGraph(file, try file.plan(parameters: [:])).text(as: format)
    }

    @Test("is a line for each stage, in text")
    func lines() throws {
        #expect(
            try graph(.text) == """
                [make] → all
                all → [cut] → short, all
                short → [end] (when closed)
                [tell] (after make, end)
                """)
    }

    @Test("is Mermaid's, with descriptions that can't be its signs or HTML's")
    func mermaid() throws {
        #expect(
            try graph(.mermaid) == """
                flowchart LR
                    stage_make["make<br/>Says #34;hi#34;#59; #91;a#93; --#62; b#92;nc#92;N"]
                    stage_cut["cut"]
                    stage_end["end"]
                    stage_tell["tell"]
                    queue_all(["all<br/>A #34;line#34; #60;b#62;"])
                    queue_short(["short"])
                    stage_make --> queue_all
                    queue_all --> stage_cut
                    stage_cut --> queue_short
                    stage_cut --> queue_all
                    queue_short --> stage_end
                    stage_make -.-> stage_tell
                    stage_end -.-> stage_tell
                """)
    }

    @Test("is Graphviz's, with descriptions in their quotes")
    func dot() throws {
        #expect(
            try graph(.dot) == #"""
                digraph pipeline {
                    rankdir=LR;
                    stage_make [shape=box, label="make\nSays \"hi\"; [a] --> b\\nc\\N"];
                    stage_cut [shape=box, label="cut"];
                    stage_end [shape=box, label="end"];
                    stage_tell [shape=box, label="tell"];
                    queue_all [shape=ellipse, label="all\nA \"line\" <b>"];
                    queue_short [shape=ellipse, label="short"];
                    stage_make -> queue_all;
                    queue_all -> stage_cut;
                    stage_cut -> queue_short;
                    stage_cut -> queue_all;
                    queue_short -> stage_end;
                    stage_make -> stage_tell [style=dashed];
                    stage_end -> stage_tell [style=dashed];
                }
                """#)
    }
}
