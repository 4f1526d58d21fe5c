import Leat
import Testing

@testable import LeatCommands

@Suite("The plan of a pipeline file")
struct FilePlanTests {
    @Test("has the stages with their edges and rules")
    func specs() throws {
        let file = try Samples.read(Samples.everything)

        let plan = try file.plan(parameters: file.parameters(with: ["source": "x"]))

        #expect(plan.pipeline == "words")
        #expect(plan.parameters.values == ["day": "2026-11-23", "source": "x", "code": "007"])
        let read = try #require(plan.stage("read"))
        #expect(read.kind == .producer && read.outputs == ["lines"] && read.shards == ["a", "b"])
        #expect(read.policy.durability == .processCrash)
        let split = try #require(plan.stage("split"))
        #expect(split.input == "lines" && split.outputs == ["words", "lines"])
        #expect(split.policy.capacity == 1000 && split.policy.keep == .failed && split.policy.countsHeld)
        #expect(plan.stage("answer")?.policy.countsHeld == false)
        #expect(plan.stage("total")?.takesAll == true)
        #expect(plan.stage("report")?.after == ["total", "answer"])
    }

    @Test(
        "is refused with the file and the stage's line",
        arguments: [
            (
                "stages:\n  a: {produce: [x], to: p}\n",
                "words.yaml:2: Stage 'a' puts into queue 'p', which no stage takes from."
            ),
            (
                "stages:\n  a: {produce: [x], to: q}\n  b: {consume: [x], from: q}\n  c: {consume: [x], from: p}\n",
                "words.yaml:4: Stage 'c' takes from queue 'p', which no stage puts into."
            ),
            (
                "stages:\n  a: {produce: [x], to: q}\n  q: {consume: [x], from: q}\n  b: {consume: [x], from: q}\n",
                "words.yaml:3: Queue 'q' is taken from by 'q' and 'b'"
            ),
            (
                "stages:\n  a: {produce: [x], to: q}\n  b: {consume: [x], from: q}\n  c: {consume: [x], after: d}\n",
                "words.yaml:4: Stage 'c' is to come after 'd'"
            ),
            (
                "stages:\n  a: {produce: [x], to: q}\n  b: {transform: [x], from: q, to: q, when: closed}\n",
                "words.yaml:3: Stage 'b' waits for all of a queue that it puts into itself"
            ),
        ])
    func refusals(text: String, words: String) throws {
        let file = try Samples.read(text)

        let error = try #require(throws: LeatError.self) { try file.plan(parameters: [:]) }

        #expect(error.code == .invalidPipeline)
        #expect(error.message.hasPrefix(words), "\(error.message)")
    }

    @Test("has parameters that are known, given and complete")
    func parameters() throws {
        let file = try Samples.read(Samples.everything)

        #expect(try file.parameters(isComplete: false).values == ["day": "2026-11-23", "code": "007"])
        #expect(try file.parameters(with: ["source": "", "day": "x"]).values["day"] == "x")
        let missing = try #require(throws: LeatError.self) { try file.parameters() }
        #expect(missing.message == "words.yaml must be given parameter 'source': --param source=VALUE.")
        let unknown = try #require(throws: LeatError.self) { try file.parameters(with: ["dya": "1"]) }
        #expect(
            unknown.message
                == "words.yaml has no parameter 'dya'; its parameters are day, source, code; did you mean 'day'?")
    }
}
