extension MemoryState {
    mutating func put(_ outputs: [Output], at moment: MemoryMoment) throws -> Int {
        try check(outputs, of: nil)
        return try insert(outputs, of: nil, at: moment)
    }

    /// Whether outputs may be put, by a stage or from outside: asked before anything is changed.
    func check(_ outputs: [Output], of stage: Int?) throws {
        var checked: QueueName?
        for output in outputs {
            guard output.priority >= 0 else {
                throw LeatError(
                    .refused,
                    "An item for queue '\(output.queue)' has priority \(output.priority), but the least is 0; give the others a higher one."
                )
            }
            // Outputs of one queue mostly stand together.
            guard output.queue != checked else { continue }
            if let stage, !stages[stage].spec.outputs.contains(output.queue) {
                throw LeatError(
                    .invalidPipeline,
                    "Stage '\(stages[stage].spec.name)' put an item into queue '\(output.queue)', which is not among its outputs; name it there."
                )
            }
            guard !queues[try place(of: output.queue)].isClosed else {
                throw LeatError(
                    .queueClosed,
                    "An item can't be put into queue '\(output.queue)': it was sealed, and every stage that feeds it has ended."
                )
            }
            checked = output.queue
        }
    }

    /// Puts outputs that were checked.
    ///
    /// - Returns: how many were new.
    mutating func insert(_ outputs: [Output], of stage: Int?, at moment: MemoryMoment) throws -> Int {
        let origin = stage.map { stages[$0].spec.name }
        var inserted = 0
        for output in outputs {
            let queue = try place(of: output.queue)
            guard
                queues[queue].insert(
                    output, hasGroups: plan?.consumer(of: output.queue)?.takesAll != true, origin: origin,
                    wallClock: moment.wallClock)
            else { continue }
            inserted += 1
            if let stage { stages[stage].emitted[output.queue, default: 0] += 1 }
        }
        return inserted
    }
}
