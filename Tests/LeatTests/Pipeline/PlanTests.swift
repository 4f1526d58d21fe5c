import Leat
import Testing

@Suite("A plan")
struct PlanTests {
    static func producer(_ name: StageName, to queues: QueueName...) -> StageSpec {
        StageSpec(name, kind: .producer, outputs: queues)
    }
    static func transformer(_ name: StageName, from queue: QueueName, to queues: QueueName...) -> StageSpec {
        StageSpec(name, kind: .transformer, input: queue, outputs: queues)
    }
    static func consumer(_ name: StageName, from queue: QueueName) -> StageSpec {
        StageSpec(name, kind: .consumer, input: queue)
    }

    @Test("puts stages in topological order, however they were written")
    func order() throws {
        let plan = try Plan(
            pipeline: "p",
            stages: [
                Self.consumer("last", from: "c"), Self.transformer("second", from: "b", to: "c"),
                Self.transformer("first", from: "a", to: "b"), Self.producer("source", to: "a"),
            ])

        #expect(plan.stages.map(\.name) == ["source", "first", "second", "last"])
        #expect(plan.units == [["source"], ["first"], ["second"], ["last"]])
    }

    @Test("takes a cycle for one unit")
    func cycle() throws {
        let plan = try Plan(
            pipeline: "p",
            stages: [
                Self.producer("seed", to: "urls"), Self.transformer("fetch", from: "urls", to: "pages"),
                Self.transformer("links", from: "pages", to: "urls", "texts"), Self.consumer("index", from: "texts"),
            ])

        #expect(plan.units == [["seed"], ["fetch", "links"], ["index"]])
    }

    @Test("knows what lies downstream, through queues and control edges")
    func downstream() throws {
        let plan = try Plan(
            pipeline: "p",
            stages: [
                Self.producer("source", to: "a"), Self.consumer("load", from: "a"),
                StageSpec("report", kind: .consumer, after: ["load"]),
            ])

        #expect(plan.downstream(of: "source").map(\.name) == ["load", "report"])
        #expect(plan.downstream(of: "report").isEmpty)
    }

    static let refusals: [(String, [StageSpec])] = [
        ("Two stages are named", [producer("a", to: "q"), consumer("a", from: "q")]),
        ("one consuming stage", [producer("a", to: "q"), consumer("b", from: "q"), consumer("c", from: "q")]),
        ("which no stage puts into", [producer("a", to: "q"), consumer("b", from: "q"), consumer("c", from: "r")]),
        ("which no stage takes from", [producer("a", to: "q")]),
        ("no other stage of this pipeline", [StageSpec("a", kind: .consumer, after: ["b"])]),
        (
            "waits for all of a queue that it puts into itself",
            [
                producer("a", to: "q"),
                StageSpec("b", kind: .transformer, input: "q", outputs: ["q"], takesAll: true),
            ]
        ),
        (
            "take it out of the cycle",
            [
                producer("a", to: "q"), transformer("b", from: "q", to: "r"),
                StageSpec("c", kind: .transformer, input: "r", outputs: ["q"], takesAll: true),
            ]
        ),
    ]

    @Test("refuses stages that contradict each other, and says which", arguments: refusals)
    func refuses(_ sentence: String, _ stages: [StageSpec]) {
        let error = #expect(throws: LeatError.self) { try Plan(pipeline: "p", stages: stages) }

        #expect(error?.code == .invalidPipeline)
        #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
    }
}
