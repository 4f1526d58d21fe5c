import ArgumentParser
import Leat
import Testing

@testable import LeatCLI

@Suite("a run of a part of a pipeline")
struct SelectionTests {
    private let plan: Plan

    init() throws {
        plan = try Plan(
            pipeline: "p",
            stages: [
                StageSpec("lines", kind: .producer, outputs: ["raw"]),
                StageSpec("other", kind: .producer, outputs: ["more"]),
                StageSpec("parse", kind: .transformer, input: "raw", outputs: ["rows", "bad"]),
                StageSpec("load", kind: .consumer, input: "rows"), StageSpec("complain", kind: .consumer, input: "bad"),
                StageSpec("keep", kind: .consumer, input: "more"),
                StageSpec("report", kind: .consumer, after: ["load"]),
            ])
    }

    private func selection(_ arguments: String...) throws -> Selection {
        try SelectionOptions.parse(arguments).selection(in: plan)
    }

    @Test("is a stage and what it depends on, or what depends on it, or alone")
    func stages() throws {
        #expect(try selection().stages == nil)
        #expect(try selection("--until", "load").stages == ["lines", "parse", "load"])
        #expect(try selection("--until", "report").stages == ["lines", "parse", "load", "report"])
        #expect(try selection("--from", "parse").stages == ["parse", "load", "complain", "report"])
        #expect(try selection("--only", "parse").stages == ["parse"])
        #expect(try selection("--only", "lines", "--limit", "5").limit == 5)
    }

    @Test("has both directions of a cycle")
    func cycle() throws {
        let plan = try Plan(
            pipeline: "crawl",
            stages: [
                StageSpec("seed", kind: .producer, outputs: ["pages"]),
                StageSpec("fetch", kind: .transformer, input: "pages", outputs: ["pages", "found"]),
                StageSpec("keep", kind: .consumer, input: "found"),
            ])

        #expect(try SelectionOptions.parse(["--until", "fetch"]).selection(in: plan).stages == ["seed", "fetch"])
        #expect(try SelectionOptions.parse(["--from", "fetch"]).selection(in: plan).stages == ["fetch", "keep"])
    }

    @Test("is refused when it contradicts itself, or names no stage")
    func refused() throws {
        #expect(throws: (any Error).self) { try selection("--until", "load", "--only", "load") }
        #expect(throws: (any Error).self) { try selection("--limit", "0") }
        let error = #expect(throws: LeatError.self) { try selection("--from", "lode") }
        #expect(error?.message.contains("has no stage 'lode'; its stages are lines") == true)
    }

    @Test("says at its end what it has left, and what goes on with that")
    func remarks() throws {
        func statuses(_ states: [StageName: StageState]) -> [StageStatus] {
            plan.stages.map { stage in
                StageStatus(
                    stage: stage.name, kind: stage.kind, state: states[stage.name] ?? .complete, ready: 0, waiting: 0,
                    leased: 0, done: 0, dead: 0, skipped: 0, emitted: 0, failures: 0, refused: 0, workers: 0,
                    isClosed: false, reason: nil)
            }
        }
        let until = try selection("--until", "parse")
        let only = try selection("--only", "load")
        let limited = try selection("--limit", "10")

        #expect(
            until.remarks(on: statuses(["load": .ready, "report": .waiting]), spent: [], .complete) == [
                "not run: load, report; the same command without --until goes on with that"
            ])
        #expect(
            only.remarks(on: statuses(["parse": .ready, "load": .waiting]), spent: [], .waiting) == [
                "what is left of load waits for what was not run (parse); the same command without --only goes on"
            ])
        #expect(
            limited.remarks(on: statuses(["lines": .ready, "load": .waiting]), spent: ["lines"], .complete) == [
                "stopped at the limit of 10 items; run again without --limit to go on"
            ])
        #expect(limited.remarks(on: statuses([:]), spent: [], .complete).isEmpty)
        #expect(until.remarks(on: statuses([:]), spent: [], .complete).isEmpty)
    }
}
