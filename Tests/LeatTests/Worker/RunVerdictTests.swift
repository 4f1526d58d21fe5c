import Leat
import Testing

@Suite("The verdict on a run")
struct RunVerdictTests {
    private let plan: Plan

    init() throws {
        plan = try Plan(
            pipeline: "p",
            stages: [
                PlanTests.producer("source", to: "a"), PlanTests.transformer("work", from: "a", to: "b"),
                StageSpec("sort", kind: .consumer, input: "b", takesAll: true),
                StageSpec("report", kind: .consumer, after: ["sort"]),
            ])
    }

    private func status(_ stage: StageName, _ state: StageState, ready: Int64 = 0, isClosed: Bool = false)
        -> StageStatus
    {
        StageStatus(
            stage: stage, kind: plan.stage(stage)!.kind, state: state, ready: ready, waiting: 0, leased: 0, done: 0,
            dead: 0, skipped: 0, emitted: 0, failures: 0, refused: 0, workers: 0, isClosed: isClosed, reason: nil)
    }

    private func judge(_ statuses: StageStatus...) -> RunVerdict { RunVerdict.judge(statuses, of: plan) }

    @Test("is complete when every stage is, with errors when one has them")
    func complete() {
        #expect(
            judge(
                status("source", .complete), status("work", .complete), status("sort", .complete),
                status("report", .complete)) == .over(.complete))
        #expect(
            judge(
                status("source", .complete), status("work", .completeWithErrors), status("sort", .complete),
                status("report", .complete)) == .over(.completeWithErrors))
    }

    @Test("goes on while a producer has something left, though nothing else has")
    func producing() {
        #expect(
            judge(
                status("source", .ready, ready: 1), status("work", .waiting), status("sort", .waiting),
                status("report", .waiting)) == .goingOn)
    }

    @Test("is over when what is left stands before a queue that is full and that nobody empties")
    func heldUp() throws {
        var narrow = StagePolicy()
        narrow.capacity = 3
        let plan = try Plan(
            pipeline: "p",
            stages: [
                PlanTests.producer("source", to: "a"),
                StageSpec("work", kind: .transformer, input: "a", outputs: ["b"], policy: narrow),
                StageSpec("keep", kind: .consumer, input: "b", policy: narrow),
            ])
        func judge(_ source: StageState, work: Int64, keep: StageState, _ ready: Int64) -> RunVerdict {
            RunVerdict.judge(
                [
                    status("source", source, ready: 1), status("work", .ready, ready: work),
                    .init(of: "keep", keep, ready),
                ],
                of: plan)
        }

        #expect(judge(.ready, work: 3, keep: .failed, 3) == .over(.failed))
        #expect(judge(.ready, work: 2, keep: .failed, 3) == .goingOn)
        #expect(judge(.ready, work: 3, keep: .failed, 2) == .goingOn)
        #expect(judge(.ready, work: 3, keep: .ready, 3) == .goingOn)
        #expect(judge(.complete, work: 3, keep: .failed, 3) == .over(.failed))
    }

    @Test("goes on while stages that did not fail have items")
    func others() {
        #expect(
            judge(
                status("source", .failed), status("work", .ready, ready: 3), status("sort", .blocked),
                status("report", .blocked)) == .goingOn)
    }

    @Test("is over when what is left waits behind a failed stage, items for a whole input included")
    func blocked() {
        #expect(
            judge(
                status("source", .complete), status("work", .failed, ready: 3), status("sort", .blocked, ready: 5),
                status("report", .blocked, ready: 1)) == .over(.failed))
    }

    @Test("goes on while an ending is still to be made, on an empty input too")
    func ending() {
        #expect(
            judge(
                status("source", .complete), status("work", .complete), status("sort", .waiting, isClosed: true),
                status("report", .waiting)) == .goingOn)
        #expect(
            judge(
                status("source", .complete), status("work", .complete), status("sort", .complete),
                status("report", .stale)) == .goingOn)
    }

    @Test("is waiting when nothing failed and nothing can go on")
    func waiting() {
        #expect(
            judge(
                status("source", .complete), status("work", .waiting), status("sort", .waiting),
                status("report", .waiting)) == .over(.waiting))
    }

    private func judge(
        _ stages: Set<StageName>?, spent: Set<StageName> = [], _ statuses: StageStatus...
    ) -> RunVerdict {
        RunVerdict.judge(statuses, of: plan, stages: stages, spent: spent)
    }

    @Test("of a part of the stages asks nothing of the others")
    func part() {
        let begun = [
            status("source", .complete), status("work", .ready, ready: 3), status("sort", .waiting),
            status("report", .waiting),
        ]
        func judge(_ stages: Set<StageName>) -> RunVerdict { RunVerdict.judge(begun, of: plan, stages: stages) }

        #expect(judge(["source"]) == .over(.complete))
        #expect(judge(["source", "work"]) == .goingOn)
        #expect(judge(["sort", "report"]) == .over(.waiting))
        #expect(
            self.judge(
                ["work"], status("source", .failed), status("work", .completeWithErrors), status("sort", .failed),
                status("report", .blocked)) == .over(.completeWithErrors))
        #expect(
            self.judge(
                ["work", "sort"], status("source", .failed), status("work", .blocked), status("sort", .blocked),
                status("report", .blocked)) == .over(.waiting))
    }

    @Test("is over when the queue behind a part of the stages is full, and nobody of them empties it")
    func fullBehindPart() throws {
        var narrow = StagePolicy()
        narrow.capacity = 3
        let plan = try Plan(
            pipeline: "p",
            stages: [
                PlanTests.producer("source", to: "a"),
                StageSpec("work", kind: .transformer, input: "a", outputs: ["b"]),
                StageSpec("keep", kind: .consumer, input: "b", policy: narrow),
            ])
        func judge(keep ready: Int64, _ stages: Set<StageName>?) -> RunVerdict {
            RunVerdict.judge(
                [status("source", .complete), status("work", .ready, ready: 5), .init(of: "keep", .ready, ready)],
                of: plan, stages: stages)
        }

        #expect(judge(keep: 2, ["source", "work"]) == .goingOn)
        #expect(judge(keep: 3, ["source", "work"]) == .over(.waiting))
        #expect(judge(keep: 3, nil) == .goingOn)
    }

    @Test("is over when what a producer has put up to its limit is settled, as well as it can be")
    func limited() {
        let rest = [status("sort", .waiting, ready: 4), status("report", .waiting)]
        func judge(_ work: StageStatus, spent: Set<StageName> = ["source"]) -> RunVerdict {
            RunVerdict.judge(
                [status("source", .ready, ready: 1), work] + rest, of: plan, stages: nil, spent: spent)
        }
        var withDead = status("work", .waiting)
        withDead.dead = 2

        #expect(judge(status("work", .waiting)) == .over(.complete))
        #expect(judge(withDead) == .over(.completeWithErrors))
        #expect(judge(status("work", .ready, ready: 1)) == .goingOn)
        #expect(judge(status("work", .failed, ready: 1)) == .over(.failed))
        #expect(judge(status("work", .waiting), spent: []) == .goingOn)
    }

    @Test("has the exit statuses that are documented")
    func exits() {
        #expect(RunOutcome.allCases.map(\.exitStatus) == [0, 30, 35, 20])
    }
}

extension StageStatus {
    fileprivate init(of stage: StageName, _ state: StageState, _ ready: Int64) {
        self.init(
            stage: stage, kind: .consumer, state: state, ready: ready, waiting: 0, leased: 0, done: 0, dead: 0,
            skipped: 0, emitted: 0, failures: 0, refused: 0, workers: 0, isClosed: false, reason: nil)
    }
}
