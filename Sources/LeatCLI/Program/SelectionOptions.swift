internal import ArgumentParser
internal import Leat

/// Which part of a pipeline a run works on, and how much of its sources.
struct SelectionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Run this stage and all that it depends on.", valueName: "stage"))
    var until: String?
    @Option(help: ArgumentHelp("Run this stage and all that depends on it.", valueName: "stage"))
    var from: String?
    @Option(help: ArgumentHelp("Run this stage alone.", valueName: "stage"))
    var only: String?
    @Option(
        help: ArgumentHelp(
            "Stop each producer (of a producer in shards each shard) when it has put so many items, earlier runs included.",
            valueName: "items"))
    var limit: Int?

    func validate() throws {
        guard [until, from, only].compactMap({ $0 }).count <= 1 else {
            throw ValidationError("--until, --from and --only exclude each other; give one of them")
        }
        guard limit ?? 1 >= 1 else { throw ValidationError("--limit is a number of items, 1 or more") }
    }

    /// - Throws: ``LeatError/Code/notFound`` for a stage that isn't there.
    func selection(in plan: Plan) throws -> Selection {
        if let until {
            let stage = try stageName(until, in: plan)
            return Selection(
                stages: Set(plan.dependencies(of: stage).map(\.name) + [stage]), option: "--until", limit: limit)
        }
        if let from {
            let stage = try stageName(from, in: plan)
            return Selection(
                stages: Set(plan.downstream(of: stage).map(\.name) + [stage]), option: "--from", limit: limit)
        }
        if let only { return Selection(stages: [try stageName(only, in: plan)], option: "--only", limit: limit) }
        return Selection(limit: limit)
    }
}

/// The part of a pipeline that a run works on.
struct Selection: Sendable, Hashable {
    /// `nil`: all.
    var stages: Set<StageName>?
    /// What it was asked for by.
    var option: String?
    /// How many items each shard of a producer may put in all.
    var limit: Int?

    /// How a run of it stands.
    func verdict(on statuses: [StageStatus], of plan: Plan, spent: Set<StageName>) -> RunVerdict {
        RunVerdict.judge(statuses, of: plan, stages: stages, spent: spent)
    }

    /// What is to be said at its end of what it has left, and how that goes on.
    ///
    /// - Parameters:
    ///   - spent: producers that stopped at the limit.
    ///   - outcome: how it ended.
    func remarks(on statuses: [StageStatus], spent: Set<StageName>, _ outcome: RunOutcome) -> [String] {
        var remarks: [String] = []
        if let limit, !spent.isDisjoint(with: stages ?? spent) {
            remarks.append("stopped at the limit of \(limit) items; run again without --limit to go on")
        }
        guard let stages, let option else { return remarks }
        let unfinished = statuses.filter { !$0.state.isComplete }
        let others = unfinished.map(\.stage).filter { !stages.contains($0) }
        guard !others.isEmpty else { return remarks }
        let names = others.map(\.rawValue).joined(separator: ", ")
        if outcome == .waiting {
            let waiting = unfinished.map(\.stage).filter(stages.contains).map(\.rawValue).joined(separator: ", ")
            remarks.append(
                "what is left of \(waiting) waits for what was not run (\(names)); the same command without \(option) goes on"
            )
        } else {
            remarks.append("not run: \(names); the same command without \(option) goes on with that")
        }
        return remarks
    }
}
