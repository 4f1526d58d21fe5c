internal import Leat

extension PipelineFile {
    /// What a stage's entry promises, in sentences for people: the first says what holds for its items, the others what its
    /// keys change about that.
    package func guarantees(of stage: StageEntry) -> [String] {
        var sentences = [effect(of: stage)]
        switch stage.mode {
        case .batch where !stage.whenClosed: sentences.append(Self.batch(stage))
        case .stream: sentences.append(Self.proof(stage))
        case .ack:
            sentences.append("Its command acknowledges by the line protocol, and each line of that is one transaction.")
        case .item, .batch, .source: break
        }
        if let order = Self.order(of: stage) { sentences.append(order) }
        if let dead = Self.tolerance(of: stage) { sentences.append(dead) }
        if stage.durability == .processCrash {
            sentences.append("A power cut may undo the last commits, whole ones; the death of a process undoes none.")
        }
        return sentences
    }

    private func effect(of stage: StageEntry) -> String {
        switch stage.kind {
        case .producer: return Self.producing(stage)
        case .transformer:
            let place = Self.place(stage.to)
            if stage.whenClosed {
                return
                    "Its whole input at once, again if that is reopened; what is made of it is exactly once \(place), in one transaction with it."
            }
            return "Exactly once \(place): an item is done, and what was made of it is there, in one transaction."
        case .consumer:
            if !stage.after.isEmpty {
                let names = stage.after.map { "'\($0)'" }.joined(separator: ", ")
                return "Runs once, after the completion of \(names); what it does outside happens at least once."
            }
            if stage.whenClosed {
                return "Its whole input at once, again if that is reopened; what it does outside happens at least once."
            }
            guard stage.mode == .item else {
                return "Reaches outside: at least once, and an item that comes again may come in other company."
            }
            return "Reaches outside: at least once; LEAT_KEY is the same at each attempt of an item."
        case .queue: return "A queue on its own."
        }
    }

    private static func producing(_ stage: StageEntry) -> String {
        let place = place(stage.to)
        let shards = stage.shards.isEmpty ? "" : " Each of its \(stage.shards.count) shards does so by itself."
        switch stage.cursor {
        case .line:
            return
                "Exactly once \(place): it resumes by counting and comparing the lines that it put before, and is refused if they have changed."
                + shards
        case .own:
            return
                "Exactly once \(place): each message's items are put together with its cursor, and it resumes at the last one."
                + shards
        case .key:
            return "Begins anew when it is resumed; \(place) no item is put whose key is there already." + shards
        case .none:
            return "Can't be resumed after it has put items \(place): it is refused then rather than put them twice."
                + shards
        }
    }

    private static func place(_ outputs: StageOutputs) -> String {
        let names = outputs.queues.map { "`\($0)`" }
        switch outputs {
        case .none: return "nowhere"
        case .all: return "into " + (names.count > 1 ? "each of " : "") + names.joined(separator: ", ")
        case .route: return "into " + (names.count > 1 ? "the one it names of " : "") + names.joined(separator: ", ")
        }
    }

    private static func batch(_ stage: StageEntry) -> String {
        switch stage.cardinality {
        case .one:
            "A line answers a line, or the batch has failed; a failed one is halved until the culprit stands alone."
        case .any:
            "A batch is the unit: it succeeds or fails as a whole, and is halved until the culprit stands alone."
        }
    }

    private static func proof(_ stage: StageEntry) -> String {
        switch stage.proof {
        case .echo(let field):
            "An answer belongs to the item whose '\(printable(field))' it repeats; another one is a failure."
        case .trust, nil: "It is on your word that each item is answered by one line, in order."
        }
    }

    private static func order(of stage: StageEntry) -> String? {
        if let field = stage.groupField {
            return
                "Of the items with one value of '\(printable(field))' one is worked on at a time, in the order of putting."
        }
        guard stage.from != nil, stage.workers > 1 || (stage.concurrency > 1 && stage.outputOrder == .asFinished) else {
            return nil
        }
        return "No order of its items is promised."
    }

    private static func tolerance(of stage: StageEntry) -> String? {
        switch stage.maxDead {
        case .any: nil
        case .atMost(0): "One dead letter fails the stage."
        case .atMost(let count): "More than \(count) dead letters fail the stage."
        case .percent(let share):
            "Dead letters that are more than \(Measure.text(ofShare: share)) of its items fail the stage."
        }
    }
}
