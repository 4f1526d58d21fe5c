extension Plan {
    /// What keeps this plan from going on with a run of another one, each in a phrase; nothing if nothing does.
    ///
    /// Names, edges and parameters are for ever: items would be lost behind a stage that is gone, and an idempotency key
    /// would mean something else. Policies may change at any time, and shards may be added as long as nothing has ended on
    /// those before, which the store knows.
    package func differences(from stored: Plan) -> [String] {
        guard stored.pipeline == pipeline else {
            return [
                "the run is of pipeline '\(printable(stored.pipeline ?? ""))', and this is '\(printable(pipeline ?? ""))'"
            ]
        }
        var found: [String] = []
        if let difference = parameters.difference(from: stored.parameters) { found.append(difference) }
        for old in stored.pipelineStages where stage(old.name) == nil { found.append("stage '\(old.name)' is gone") }
        for new in pipelineStages {
            guard let old = stored.stage(new.name), old.kind != .queue else {
                found.append("stage '\(new.name)' is new")
                continue
            }
            found += new.differences(from: old)
        }
        return found
    }

    /// The refusal of this plan by a run of another one; `nil` if it can go on with that.
    package func refusal(by stored: Plan) -> LeatError? {
        let found = differences(from: stored)
        guard !found.isEmpty else { return nil }
        return LeatError(
            .pipelineChanged,
            "This run can't go on with what has changed: \(found.joined(separator: "; ")). Go on with the pipeline as it was, or begin a new run in a new file; what a stage runs, its workers and its rules may change at any time."
        )
    }
}

extension StageSpec {
    fileprivate func differences(from old: StageSpec) -> [String] {
        var found: [String] = []
        func differ(_ what: String, _ old: String, _ new: String) {
            if old != new { found.append("stage '\(name)' \(what) \(new) instead of \(old)") }
        }
        func list(_ names: [some LeatName]) -> String {
            names.isEmpty ? "nothing" : names.sorted().map { "'\($0)'" }.joined(separator: ", ")
        }
        differ("takes from", list(old.input.map { [$0] } ?? []), list(input.map { [$0] } ?? []))
        differ("puts into", list(old.outputs), list(outputs))
        differ("comes after", list(old.after), list(after))
        if old.takesAll != takesAll {
            found.append(
                takesAll
                    ? "stage '\(name)' waits for its whole input, and worked on items as they came"
                    : "stage '\(name)' works on items as they come, and waited for its whole input")
        }
        if found.isEmpty, old.kind != kind { differ("is a", old.kind.rawValue, kind.rawValue) }
        for shard in old.shards where input == nil && !shards.contains(shard) {
            found.append("shard '\(printable(shard.rawValue))' of stage '\(name)' is gone")
        }
        return found
    }
}
