internal import Leat

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

// Which keys go together. What no single key can tell is told here, each in a sentence with the line of the key.

extension StageDraft {
    static let kinds: [(key: String, kind: StageKind)] = [
        ("produce", .producer), ("transform", .transformer), ("consume", .consumer),
    ]

    /// The stage, with what the file says of its queue.
    ///
    /// - Throws: ``Leat/LeatError/Code/invalidPipeline`` for keys that contradict each other.
    func entry(_ queue: QueueDraft?, _ reading: Reading) throws -> StageEntry {
        let kind = try kind(reading)
        guard let command else { preconditionFailure("a stage that has a kind has its command") }
        try checkInput(kind, reading)
        let mode = try mode(of: kind, reading)
        for rule in Self.rules where has(rule.key) && !rule.isMet(self, kind, mode) {
            throw refuse(rule.key, "has '\(rule.key)', but \(rule.sentence).", reading)
        }
        try checkValues(kind, mode, reading)
        var entry = StageEntry(
            name: name, line: line, kind: kind, command: command, mode: mode, folder: try realFolder(reading))
        entry.description = description
        entry.from = from
        entry.to = to
        entry.cardinality = cardinality ?? .any
        entry.proof = mode == .stream ? echo.map(StreamProof.echo) ?? .trust : nil
        entry.cursor = cursor ?? .line
        entry.shards = shards
        entry.whenClosed = isWhenClosed
        entry.after = after
        entry.workers = workers
        entry.concurrency = concurrency
        entry.rate = rate
        entry.batch = batch
        entry.retry = retry
        // Where the work is one piece, its attempts are the stage's.
        if has("retry"), from == nil || isWhenClosed { entry.crashes = retry.attempts }
        entry.timeout = timeout
        entry.maxDead = maxDead
        entry.outputOrder = outputOrder
        entry.environment = Dictionary(environment.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
        entry.memoryLimit = limits.memory
        entry.outputLimit = limits.output ?? entry.outputLimit
        entry.durability = durability
        try apply(queue, to: &entry, reading)
        return entry
    }

    private var isWhenClosed: Bool { has("when") }

    private func refuse(_ key: String, _ sentence: String, _ reading: Reading) -> LeatError {
        reading.error(at: lines[key] ?? line, "stage '\(name)' \(sentence)")
    }

    private func kind(_ reading: Reading) throws -> StageKind {
        let written = Self.kinds.filter { has($0.key) }
        guard let (key, kind) = written.first else {
            throw refuse("", "has no command; give it one of produce, transform or consume.", reading)
        }
        guard written.count == 1 else {
            throw refuse(
                written[1].key,
                "has '\(key)' and '\(written[1].key)'; a stage is one of produce, transform or consume.", reading)
        }
        return kind
    }

    private func checkInput(_ kind: StageKind, _ reading: Reading) throws {
        switch kind {
        case .producer:
            guard !has("from") else {
                throw refuse("from", "has 'from', but a producer has no input; make it transform or consume.", reading)
            }
        case .transformer:
            guard has("from") else {
                throw refuse("transform", "has no 'from': a transformer takes from a queue.", reading)
            }
        case .consumer:
            guard has("from") || has("after") else {
                throw refuse(
                    "consume",
                    "has neither 'from' nor 'after': a consumer takes from a queue, or runs once after other stages.",
                    reading)
            }
            guard !has("from") || !has("after") else {
                throw refuse(
                    "after",
                    "has 'from' and 'after'; make it a consumer of the queue or a stage that comes after others, not both.",
                    reading)
            }
        case .queue: return
        }
        guard kind == .consumer || has("to") else {
            throw refuse("", "has no 'to': the lines that its command writes must go into a queue.", reading)
        }
    }

    private func mode(of kind: StageKind, _ reading: Reading) throws -> StageMode {
        func refuseMode(_ sentence: String) -> LeatError { refuse("mode", sentence, reading) }
        if kind == .producer {
            guard (mode ?? .source) == .source else {
                throw refuseMode("has mode \(mode?.rawValue ?? ""), but a producer's is source; leave out 'mode'.")
            }
            return .source
        }
        guard mode != .source else { throw refuseMode("has mode source, which only a producer has.") }
        if has("after") {
            guard mode == nil else {
                throw refuseMode("has 'mode', but it comes after others and is given no items; leave it out.")
            }
            return .item
        }
        if isWhenClosed {
            guard (mode ?? .batch) == .batch else {
                throw refuseMode(
                    "has mode \(mode?.rawValue ?? ""), but with 'when: closed' its whole input is one batch; leave out 'mode'."
                )
            }
            return .batch
        }
        return mode ?? .item
    }

    private struct Rule: Sendable {
        let key: String
        let sentence: String
        let isMet: @Sendable (StageDraft, StageKind, StageMode) -> Bool

        init(
            _ key: String, _ sentence: String, _ isMet: @escaping @Sendable (StageDraft, StageKind, StageMode) -> Bool
        ) {
            self.key = key
            self.sentence = sentence
            self.isMet = isMet
        }
    }

    private static let rules: [Rule] = [
        Rule("to", "a consumer puts nothing; make it transform if its lines are items") { _, kind, _ in
            kind != .consumer
        },
        Rule("cursor", "only a producer has one") { _, kind, _ in kind == .producer },
        Rule("shards", "only a producer has them") { _, kind, _ in kind == .producer },
        Rule("after", "only a consumer may come after other stages; what the others do is told by their queues") {
            _, kind, _ in kind == .consumer
        },
        Rule("when", "it takes from no queue that could be closed") { stage, _, _ in stage.has("from") },
        Rule("cardinality", "that is of mode batch") { _, _, mode in mode == .batch },
        Rule("cardinality", "with 'when: closed' its whole input is answered at once; leave it out") { stage, _, _ in
            !stage.isWhenClosed || stage.cardinality == .any
        },
        Rule("echo", "that is of mode stream") { _, _, mode in mode == .stream },
        Rule("ordered", "that is of mode stream") { _, _, mode in mode == .stream },
        Rule("concurrency", "that is of mode item; give it more workers instead") { stage, _, mode in
            mode == .item && stage.has("from")
        },
        Rule("outputs", "that orders what a transformer with 'concurrency' puts") { stage, kind, _ in
            kind == .transformer && stage.has("concurrency")
        },
        Rule("rate", "it does not take items one by one, so they have no rate") { stage, _, _ in
            stage.has("from") && !stage.isWhenClosed
        },
        Rule("capacity", "it takes from no queue; give it to the stage that takes what it puts") { stage, _, _ in
            stage.has("from")
        },
        Rule("keep", "it takes from no queue; give it to the stage that takes what it puts") { stage, _, _ in
            stage.has("from")
        },
        Rule("order", "it takes from no queue; give it to the stage that takes what it puts") { stage, _, _ in
            stage.has("from")
        },
        Rule("max_dead", "it takes no items that could die") { stage, _, _ in stage.has("from") },
        Rule("batch", "its work is one unit") { stage, _, _ in !stage.isWhenClosed && !stage.has("after") },
    ]

    private func checkValues(_ kind: StageKind, _ mode: StageMode, _ reading: Reading) throws {
        if mode == .stream, has("echo") == has("ordered") {
            throw refuse(
                has("echo") ? "ordered" : "mode",
                "has mode stream and needs exactly one of 'echo: FIELD', which proves that answers belong to questions, and 'ordered: trust', your word for it.",
                reading)
        }
        if cursor == .key, case .route = to {
        } else if cursor == .key {
            throw refuse(
                "cursor", "has 'cursor: key', so each line must bring its item's key: write 'to: {route: [QUEUE]}'.",
                reading)
        }
        guard workers > 1 else { return }
        if isWhenClosed || has("after") {
            throw refuse("workers", "has \(workers) workers, but its work is one unit that one worker does.", reading)
        }
        if kind == .producer, workers > max(shards.count, 1) {
            let slices = shards.isEmpty ? "no shards" : shards.count == 1 ? "one shard" : "\(shards.count) shards"
            throw refuse(
                "workers",
                "has \(workers) workers, but \(slices) for them to share: a producer's workers need one each.", reading)
        }
    }

    /// Adds what stands at the queue, or at the stage, and not at both.
    private func apply(_ queue: QueueDraft?, to entry: inout StageEntry, _ reading: Reading) throws {
        for key in ["capacity", "keep", "order"] where has(key) {
            guard let line = queue?.lines[key] else { continue }
            throw refuse(key, "has '\(key)', which its queue has in line \(line); keep one.", reading)
        }
        entry.capacity = capacity ?? queue?.capacity
        entry.keep = keep ?? queue?.keep ?? .all
        if case .group(let field) = order ?? queue?.order { entry.groupField = field }
        guard isWhenClosed else { return }
        func contradiction(_ key: String, _ sentence: String) -> LeatError {
            let line = lines[key] ?? queue?.lines[key] ?? self.line
            return reading.error(at: line, "stage '\(name)' \(sentence)")
        }
        if entry.capacity != nil {
            throw contradiction(
                "capacity",
                "waits for all of its queue, so those that feed it can't wait for room in it; leave out 'capacity'.")
        }
        if entry.keep != .all {
            throw contradiction(
                "keep",
                "works on all of its queue, again when that is reopened, so all of it is kept; leave out 'keep'.")
        }
        if entry.groupField != nil {
            throw contradiction(
                "order", "is given its whole input at once, so there is nothing to keep in order; leave out 'order'.")
        }
    }

    private func realFolder(_ reading: Reading) throws -> String {
        guard let folder else { return reading.folder }
        let path = folder.hasPrefix("/") ? folder : reading.folder + "/" + folder
        var facts = stat()
        guard let real = realPath(path), stat(real, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR else {
            throw refuse(
                "cwd",
                "is to run in '\(printable(folder))', which is no folder as seen from the file's; make it, or mend 'cwd'.",
                reading)
        }
        return real
    }
}

/// A path without symbolic links, or `nil` if nothing is there.
func realPath(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
}
