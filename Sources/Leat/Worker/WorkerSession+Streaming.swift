internal import Logging

// Stages whose function takes its input as a sequence: call it, and call it again as long as something may come.
extension WorkerSession {
    func stream(_ body: StreamBody) async throws -> WorkerExit {
        while true {
            if isStopping { return try await stopped() }
            let desk = StreamDesk(stage, on: store, worker, upkeep, patience, activity, heartbeat)
            do {
                let failure = try await call(body, desk)
                let isUnanswered = try await desk.close(failure)
                if isUnanswered, let failure { logger.info("A call of the stage's function failed: \(failure.reason)") }
                if await desk.hasGiven, failure == nil { progressed() }
                if let reason = await desk.refusal { return try await self.failed(reason) }
                if !isUnanswered, let failure, await !desk.hasGiven {
                    // It threw before it took anything: that is nobody's but the stage's.
                    try await chargeStage(RetryError(failure.reason, failure.advice))
                    // A function that takes nothing is not told of a trip either.
                    if case .refused(let reason) = try await look() { return try await self.failed(reason) }
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

    private func look() async throws -> Claim {
        let request = ClaimRequest(stage.name, worker: worker, limit: 1)
        let claim = try await patiently { [store] in try await store.claim(request) }
        if let lease = claim.lease { _ = try await commit(Step(.released, of: lease), next: nil) }
        return claim
    }

    /// - Returns: what was wrong with it: what it threw, or that it left items without an answer.
    private func call(_ body: StreamBody, _ desk: StreamDesk) async throws -> Failure? {
        do {
            try await Activity.$current.withValue(activity) { try await body(desk) }
        } catch {
            if let storeError = await desk.storeError { throw storeError }
            if isInterruption(error) { return nil }
            return stage.failure(error)
        }
        if await desk.ending == nil, await !desk.hasGiven {
            return Failure("the function returned without taking any of its input", .never)
        }
        // What it leaves at a drain is handed out again. Not what stood alone under suspicion: that no answer to it can be
        // had may be its fault, and would never come to an end.
        if isStopping { return nil }
        if await desk.ending == .drain, await !desk.isSuspect { return nil }
        return Failure("the function returned without answering this item")
    }
}
