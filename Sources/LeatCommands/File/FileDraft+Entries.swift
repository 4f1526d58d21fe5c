internal import Leat

extension FileDraft {
    /// What a command finds in its environment anyway, and what would change how programs are found or run.
    private static let takenVariables: Set<String> = [
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "OLDPWD", "TMPDIR", "TEMP", "TMP", "LANG", "LANGUAGE", "TZ",
        "TERM",
        "IFS", "ENV", "SHLVL", "UID", "EUID", "PPID", "PS1", "PS2", "PS4", "CDPATH", "OPTARG", "OPTIND", "NO_COLOR",
    ]
    private static let takenPrefixes = ["LEAT_", "LC_", "LD_", "DYLD_", "BASH_"]

    /// A pipeline is put in order by functions that call themselves once a stage in a row.
    private static let mostStages = 1000

    /// The stages' entries, each with what the file says of its queue.
    func entries(_ reading: Reading) throws -> [StageEntry] {
        guard stages.count <= Self.mostStages else {
            throw reading.error(
                at: stages[Self.mostStages].line,
                "this is stage \(Self.mostStages + 1); a pipeline has at most \(Measure.grouped(Self.mostStages)).")
        }
        let drafts = try stages.map { stage in
            var draft = stage.value
            draft.name = StageName(unchecked: stage.name)
            draft.line = stage.line
            try checkVariables(of: draft, reading)
            return draft
        }
        try checkQueues(drafts, reading)
        return try drafts.map { draft in
            try draft.entry(queues.first { $0.name == draft.from?.rawValue }?.value, reading)
        }
    }

    func parameterEntries(_ reading: Reading) throws -> [ParameterEntry] {
        try parameters.map { parameter in
            let variable = parameter.name.uppercased()
            let prefix = Self.takenPrefixes.first { variable.hasPrefix($0) }
            guard prefix == nil, !Self.takenVariables.contains(variable) else {
                throw reading.error(
                    at: parameter.line,
                    "parameter '\(parameter.name)' would be given to commands as \(variable), which means something else to them; give it another name."
                )
            }
            return ParameterEntry(name: parameter.name, value: parameter.value)
        }
    }

    private func checkVariables(of stage: StageDraft, _ reading: Reading) throws {
        for variable in stage.environment {
            guard let parameter = parameters.first(where: { $0.name.uppercased() == variable.name }) else { continue }
            throw reading.error(
                at: variable.line,
                "'\(variable.name)' in 'env' of stage '\(stage.name)' is also what commands are given parameter '\(parameter.name)' as; give one of them another name."
            )
        }
    }

    private func checkQueues(_ stages: [StageDraft], _ reading: Reading) throws {
        let used = Set(stages.flatMap { stage in stage.to.queues + (stage.from.map { [$0] } ?? []) })
        for queue in queues where !used.contains(QueueName(unchecked: queue.name)) {
            throw reading.error(
                at: queue.line,
                "queue '\(queue.name)' is named by no stage\(meant(queue.name, used.map(\.rawValue).sorted()))")
        }
        guard !queues.isEmpty else { return }
        let names = queues.map(\.name)
        for stage in stages {
            let named =
                (stage.from.map { [(key: "from", queue: $0)] } ?? []) + stage.to.queues.map { (key: "to", queue: $0) }
            for (key, queue) in named where !names.contains(queue.rawValue) {
                throw reading.error(
                    at: stage.lines[key] ?? stage.line,
                    "stage '\(stage.name)' names queue '\(queue)', which is not among 'queues'\(meant(queue.rawValue, names))"
                )
            }
        }
    }

    private func meant(_ name: String, _ names: [String]) -> String {
        nearest(to: name, in: names).map { "; did you mean '\($0)'?" } ?? "."
    }
}
