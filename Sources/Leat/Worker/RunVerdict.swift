/// How a run ended, as a word and as an exit status.
public enum RunOutcome: Sendable, Hashable, CaseIterable {
    case complete
    case completeWithErrors
    /// A stage failed; the others did what they could.
    case failed
    /// Nothing failed here and nothing can go on: something waits for what this run can't give.
    case waiting

    public var word: String {
        switch self {
        case .complete: "complete"
        case .completeWithErrors: "complete with errors"
        case .failed: "failed"
        case .waiting: "waiting"
        }
    }

    public var exitStatus: Int32 {
        switch self {
        case .complete: 0
        case .waiting: 20
        case .completeWithErrors: 30
        case .failed: 35
        }
    }
}

/// Whether a run has anything left to do.
///
/// A failed stage does not end it: the others go on with what they have. It is
/// over when no stage can make progress.
public enum RunVerdict: Sendable, Hashable {
    case goingOn
    case over(RunOutcome)

    /// - Parameters:
    ///   - statuses: of all stages of the plan, read in one transaction.
    ///   - plan: of the pipeline.
    public static func judge(_ statuses: [StageStatus], of plan: Plan) -> RunVerdict {
        judge(statuses, of: plan, stages: nil)
    }

    /// The same for a run of some of the stages, or one whose producers stop at a limit.
    ///
    /// - Parameters:
    ///   - statuses: of all stages of the plan, read in one transaction.
    ///   - plan: of the pipeline.
    ///   - selected: the stages that it runs; `nil`: all. The others do nothing, so it is judged by these.
    ///   - spent: producers that have put as much as they may, read before the statuses. They have nothing left to do, and
    ///     what can't end for want of their end is held to be settled.
    package static func judge(
        _ statuses: [StageStatus], of plan: Plan, stages selected: Set<StageName>?, spent: Set<StageName> = []
    ) -> RunVerdict {
        let complete = Set(statuses.filter(\.state.isComplete).map(\.stage))
        let mine = statuses.filter { selected?.contains($0.stage) ?? true }
        // Backwards: whoever puts into a full queue goes on if the one that takes from it does.
        var going: Set<StageName> = []
        for stage in plan.stages.reversed() {
            guard let status = mine.first(where: { $0.stage == stage.name }), !status.state.isComplete,
                status.state != .failed, !spent.contains(stage.name), hasWork(status, stage, complete)
            else { continue }
            let isHeldUp = plan.boundedOutputs(of: stage).contains { output in
                guard let taker = plan.consumer(of: output.queue), !going.contains(taker.name) else { return false }
                let held = statuses.first { $0.stage == taker.name }
                return held.map { held in
                    held.ready + held.waiting + (output.countsHeld ? held.leased : 0) >= Int64(output.capacity)
                } ?? false
            }
            if !isHeldUp { going.insert(stage.name) }
        }
        if !going.isEmpty { return .goingOn }
        if mine.contains(where: { $0.state == .failed }) { return .over(.failed) }
        let unfinished = mine.filter { !$0.state.isComplete }
        guard unfinished.allSatisfy({ lacksOnlyAnEnd($0, complete, spent, plan) }) else { return .over(.waiting) }
        let hasErrors =
            mine.contains { $0.state == .completeWithErrors } || unfinished.contains { $0.dead > 0 }
        return .over(hasErrors ? .completeWithErrors : .complete)
    }

    /// Whether a stage has done all that it can before a producer that is at its limit comes to its end.
    private static func lacksOnlyAnEnd(
        _ status: StageStatus, _ complete: Set<StageName>, _ spent: Set<StageName>, _ plan: Plan
    ) -> Bool {
        if spent.contains(status.stage) { return true }
        guard let stage = plan.stage(status.stage), !hasWork(status, stage, complete) else { return false }
        return plan.dependencies(of: stage.name).contains { spent.contains($0.name) }
    }

    /// Whether a stage that is neither complete nor failed could do something now, by itself.
    private static func hasWork(_ status: StageStatus, _ stage: StageSpec, _ complete: Set<StageName>) -> Bool {
        guard stage.input != nil else {
            return stage.after.allSatisfy(complete.contains)
        }
        // Closed and not complete: its ending is still to be made, or its completion to be evaluated.
        if status.isClosed { return true }
        return !stage.takesAll && status.ready + status.waiting + status.leased > 0
    }
}
