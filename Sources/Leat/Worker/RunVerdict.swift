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
        let complete = Set(statuses.filter(\.state.isComplete).map(\.stage))
        // Backwards: whoever puts into a full queue goes on if the one that takes from it does.
        var going: Set<StageName> = []
        for stage in plan.stages.reversed() {
            guard let status = statuses.first(where: { $0.stage == stage.name }), !status.state.isComplete,
                status.state != .failed, hasWork(status, stage, complete)
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
        if statuses.contains(where: { $0.state == .failed }) { return .over(.failed) }
        guard statuses.allSatisfy(\.state.isComplete) else { return .over(.waiting) }
        return .over(statuses.contains { $0.state == .completeWithErrors } ? .completeWithErrors : .complete)
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
