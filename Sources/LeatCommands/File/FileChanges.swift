package import Leat

extension PipelineFile {
    /// What the stages run and how, to be written down with the run.
    package var source: RunSource {
        RunSource(
            file: path,
            stages: Dictionary(stages.map { ($0.name, $0.words) }, uniquingKeysWith: { first, _ in first }))
    }

    /// What has changed since the run was last continued, and what follows, a sentence each.
    ///
    /// - Parameters:
    ///   - source: what it was last run from.
    ///   - statuses: how its stages stand.
    package func changes(since source: RunSource, _ statuses: [StageStatus]) -> [String] {
        stages.flatMap { stage -> [String] in
            guard let old = source.stages[stage.name] else { return [] }
            let new = stage.words
            let status = statuses.first { $0.stage == stage.name }
            // With the mode goes what belongs to it.
            let isOther = old["mode"] != new["mode"]
            return Set(old.keys).union(new.keys).sorted().filter {
                old[$0] != new[$0] && !(isOther && ["cardinality", "proof"].contains($0))
            }.map { key in
                "stage '\(stage.name)': \(Self.change(key, from: old[key], to: new[key])); \(stage.consequence(of: key, status))"
            }
        }
    }

    private static func change(_ key: String, from old: String?, to new: String?) -> String {
        guard key == "command" || key == "mode" || key == "cursor" else { return "'\(printable(key))' has changed" }
        func text(_ value: String?) -> String { value.map { excerpt(Array($0.utf8)) } ?? "nothing" }
        return "its \(key) was \(text(old)) and is \(text(new))"
    }
}

extension StageEntry {
    /// Its description by the file's keys: equal words mean the same.
    fileprivate var words: [String: String] {
        var words: [String: String] = [
            "command": commandText, "mode": mode.rawValue, "cwd": folder, "workers": "\(workers)",
            "concurrency": "\(concurrency)", "outputs": "\(outputOrder)", "retry": "\(retry)", "max_dead": "\(maxDead)",
            "durability": durability.rawValue, "keep": "\(keep)", "limits": "\(memoryLimit ?? 0) \(outputLimit)",
        ]
        if case .route = to { words["to"] = "by route" } else { words["to"] = "all" }
        words["cardinality"] = mode == .batch ? cardinality.rawValue : nil
        words["proof"] = proof.map { "\($0)" }
        words["cursor"] = kind == .producer ? cursor.rawValue : nil
        words["rate"] = rate.map { "\($0)" }
        words["batch"] = batch.map { "\($0)" }
        words["capacity"] = capacity.map { "\($0)" }
        words["timeout"] = timeout.map { "\($0)" }
        words["order"] = groupField
        if !environment.isEmpty {
            // Values may be secrets, and a hash of short ones tells them too; so only the names.
            words["env"] = environment.keys.sorted().joined(separator: " ")
        }
        return words
    }

    private var commandText: String {
        switch command {
        case .arguments(let arguments): "[" + arguments.map { "'\($0)'" }.joined(separator: ", ") + "]"
        case .shell(let script): "shell: \(script)"
        }
    }

    /// What follows from the change of a key.
    fileprivate func consequence(of key: String, _ status: StageStatus?) -> String {
        guard let status else { return "it holds from now on" }
        switch key {
        case "command", "mode", "cardinality", "proof", "env", "cwd", "to":
            if kind == .producer {
                return status.emitted == 0
                    ? "nothing was put before"
                    : "the \(status.emitted) items that it has put stay, and it goes on by its cursor ('\(cursor.rawValue)')"
            }
            let left = status.ready + status.waiting + status.leased
            return
                "the \(status.settled) items that it has settled stay as they are, \(left) are left for what it is now"
        case "cursor":
            return status.emitted == 0
                ? "nothing was put before"
                : "it can go on only if what was saved suits the new one, and refuses otherwise"
        case "order": return "it holds for items that are put from now on"
        default: return "it holds from now on"
        }
    }
}
