internal import Logging

// Stages without input: open a shard, emit until its end, then the next.
extension WorkerSession {
    /// What came of a shard.
    private enum ShardEnd {
        case complete
        /// It has put as much as it may.
        case atLimit
        /// It was stopped, or the stage was charged.
        case gaveUp
    }

    func produce() async throws -> WorkerExit {
        var tour = ShardTour(stage.spec.shards)
        while true {
            if isStopping { return try await stopped() }
            do {
                try await tidyUp()
                switch tour.next() {
                case .open(let shard):
                    let opening = try await patiently { [store, stage, worker] in
                        try await store.open(ShardID(stage.name, shard), by: worker)
                    }
                    guard case .opened(let hold) = opening else {
                        tour.refused(opening)
                        continue
                    }
                    logger.debug("Shard '\(hold.id)' is open at epoch \(hold.epoch), behind \(hold.emitted) items.")
                    switch try await runUnrefused(hold) {
                    case .complete: tour.completed()
                    case .atLimit:
                        logger.info("Shard '\(hold.id)' has put as many items as it may.")
                        tour.completed()
                    case .gaveUp: tour.gaveUp()
                    }
                case .rest:
                    try await rest()
                    tour.rested()
                case .finish: return try await finished()
                case .fail(let reason): return try await failed(reason)
                }
            } catch let error where error.isLateStep {
                logger.warning("A producer's step came too late and was refused: \(error)")
                tour.gaveUp()
                try await enrollAnew()
            }
        }
    }

    /// A step that the database refuses as a whole is the stage's failure: there is no item to blame.
    private func runUnrefused(_ hold: ShardHold) async throws -> ShardEnd {
        do {
            return try await run(hold)
        } catch let error as LeatError where error.code == .stepRefused {
            try await chargeStage(error)
            return .gaveUp
        }
    }

    /// Runs what was opened.
    private func run(_ hold: ShardHold) async throws -> ShardEnd {
        defer { activity.rest() }
        switch stage.body {
        case .source(let body): return try await run(hold, body)
        case .after(let body): return try await runAfter(hold, body) ? .complete : .gaveUp
        case .transactionalAfter(let body): return try await runAfterInside(hold, body) ? .complete : .gaveUp
        case .item, .batch, .all, .stream, .transactionalItem, .transactionalAll:
            preconditionFailure("a stage with an input opens no shard")
        }
    }

    private func run(_ hold: ShardHold, _ body: SourceBody) async throws -> ShardEnd {
        var isEnded = false
        var room = shardLimit.map { max($0 - Int(hold.emitted), 0) }
        if room == 0 { return .atLimit }
        var storeError: (any Error)?
        let run = SourceRun(
            hold: hold, batch: stage.batch, activity: activity, isStopping: { [stop] in stop.isAsked },
            room: { room },
            items: { [store] queue, id, limit in try await store.items(in: queue, after: id, limit: limit) },
            emit: { [self] chunk in
                do {
                    let full = try await emit(
                        Emission(hold, outputs: chunk.outputs, cursor: chunk.cursor, isLast: chunk.isLast))
                    isEnded = chunk.isLast
                    progressed()
                    try await tidyUp()
                    if room != nil { room = try await self.room(of: hold) }
                    if !isEnded, room != 0 { try await waitForRoom(full) }
                } catch {
                    storeError = error
                    throw error
                }
            })
        try await waitForRoom(try await fullOutput())
        do {
            try await Activity.$current.withValue(activity) { try await body(run) }
        } catch {
            activity.rest()
            if let storeError { throw storeError }
            if !isInterruption(error) { try await chargeStage(error) }
            return .gaveUp
        }
        if isEnded { return .complete }
        return room == 0 ? .atLimit : .gaveUp
    }

    /// How many items a shard may still put. The store is asked: of what is put under keys, some may have been there.
    private func room(of hold: ShardHold) async throws -> Int? {
        guard let shardLimit else { return nil }
        let shards = try await patiently { [store] in try await store.shards() }
        return max(shardLimit - Int(shards.first { $0.id == hold.id }?.emitted ?? hold.emitted), 0)
    }

    private func runAfter(_ hold: ShardHold, _ body: @Sendable () async throws -> Void) async throws -> Bool {
        activity.begin(nil)
        do {
            try await Activity.$current.withValue(activity) { try await body() }
        } catch {
            activity.rest()
            if !isInterruption(error) { try await chargeStage(error) }
            return false
        }
        activity.rest()
        _ = try await emit(Emission(hold, outputs: [], cursor: nil, isLast: true))
        progressed()
        return true
    }

    private func runAfterInside(
        _ hold: ShardHold, _ body: @escaping @Sendable (any TransactionContext) throws -> Void
    ) async throws -> Bool {
        let thrown = ThrownError()
        let emission = Emission(hold, outputs: [], cursor: nil, isLast: true) { [activity] context in
            activity.begin(nil, inTransaction: true)
            defer { activity.rest() }
            try thrown.noting { try Activity.$current.withValue(activity) { try body(context) } }
        }
        do {
            try await patiently { [store] in
                thrown.forget()
                try await store.emit(emission)
            }
        } catch {
            // What the user's function threw is the stage's failure; what the store threw is not.
            guard let threw = thrown.error, !error.isPassing else { throw error }
            try await chargeStage(threw)
            return false
        }
        progressed()
        return true
    }
}
