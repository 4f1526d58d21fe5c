internal import Logging

// Stages whose function takes its input as a sequence: call it, and call it again as long as something may come.
extension WorkerSession {
    func stream(_ body: StreamBody) async throws -> WorkerExit {
        while true {
            if isStopping { return try await stopped() }
            if heartbeat.isLost {
                // It held nothing whose step could be refused, so that it has not met the fence.
                try await enrollAnew()
                continue
            }
            let desk = StreamDesk(stage, on: store, worker, upkeep, patience, activity, heartbeat)
            do {
                let thrown = try await call(body, desk)
                if case .ofTheStage(let failure) = thrown {
                    await desk.leave()
                    if await desk.hasAnswered { progressed() }
                    if let reason = try await charge(failure) { return try await self.failed(reason) }
                    continue
                }
                let isUnanswered = try await desk.close(await leftBehind(thrown?.failure, desk))
                if isUnanswered { logger.info("A call of the stage's function left items without an answer.") }
                if await desk.hasGiven, thrown == nil { progressed() }
                if let reason = await desk.refusal { return try await self.failed(reason) }
                if let thrown, !isUnanswered {
                    // It took nothing, or threw where no item is to blame: that is nobody's but the stage's.
                    if let reason = try await charge(thrown.failure) { return try await self.failed(reason) }
                } else if await desk.ending == .complete, !isUnanswered {
                    // Only the store knows: what was handed back meanwhile is input as well.
                    if case .finished = try await look() { return try await finished() }
                }
            } catch let error where error.isLateStep {
                logger.warning("A step came too late and was refused: \(error)")
                try await enrollAnew()
            }
        }
    }

    /// How a call came to no good end.
    private enum Thrown {
        /// It may be the fault of what the call holds.
        case failed(Failure)
        /// No item is to blame.
        case ofTheStage(Failure)

        var failure: Failure {
            switch self {
            case .failed(let failure), .ofTheStage(let failure): failure
            }
        }
    }

    /// Charges the stage.
    ///
    /// - Returns: why it hands out nothing more, if it does not: a function that takes nothing is not told of a trip. Its
    ///   status is looked at, since a claim that is handed back would be taken for progress.
    private func charge(_ failure: Failure) async throws -> String? {
        try await chargeStage(failure)
        let statuses = try await patiently { [store] in try await store.status() }
        guard let status = statuses.first(where: { $0.stage == stage.name }), status.state == .failed else {
            return nil
        }
        return status.reason ?? failure.reason
    }

    private func look() async throws -> Claim {
        let request = ClaimRequest(stage.name, worker: worker, limit: 1)
        let claim = try await patiently { [store] in try await store.claim(request) }
        if let lease = claim.lease { _ = try await commit(Step(.released, of: lease), next: nil) }
        return claim
    }

    /// - Returns: what was wrong with the call: what it threw, or that it took nothing of an input that has not ended.
    private func call(_ body: StreamBody, _ desk: StreamDesk) async throws -> Thrown? {
        do {
            try await Activity.$current.withValue(activity) { try await body(desk) }
        } catch {
            if let storeError = await desk.storeError { throw storeError }
            if isInterruption(error) { return nil }
            let failure = stage.failure(error)
            if error.isOfTheStage { return .ofTheStage(failure) }
            logger.info("A call of the stage's function failed: \(failure.reason)")
            return .failed(failure)
        }
        guard await desk.ending == nil, await !desk.hasGiven else { return nil }
        return .failed(Failure("the function returned without taking any of its input", .never))
    }

    /// What becomes of items that were given out and have no answer; `nil` hands them back.
    private func leftBehind(_ thrown: Failure?, _ desk: StreamDesk) async -> Failure? {
        if thrown != nil || isStopping { return thrown }
        // What it leaves at a drain is handed out again. Not what stood alone under suspicion: that no answer to it can be
        // had may be its fault, and would never come to an end.
        if await desk.ending == .drain, await !desk.isSuspect { return nil }
        return Failure("the function returned without answering this item")
    }
}
