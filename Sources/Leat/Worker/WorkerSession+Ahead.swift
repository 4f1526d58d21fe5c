internal import Logging

// Claiming ahead: while one batch is worked on, the one before it is committed and the one after it claimed.
extension WorkerSession {
    /// How long a batch takes beside which it pays. The work on a shorter one is little against its commit; a longer one
    /// is much against it, and what is claimed ahead is kept from others meanwhile.
    static let aheadPays = Duration.milliseconds(4)...Duration.milliseconds(50)

    /// Not where what the stage puts is bounded: its queues may be full by the time that what is at hand is put.
    var mayClaimAhead: Bool { !isBounded }

    /// Claims beside what is at hand.
    ///
    /// - Parameter isEmpty: whether nothing is at hand.
    func claimAhead(_ isEmpty: Bool) async throws -> Claim {
        let request = request(isEmpty ? .isNotIntended : .isIntended)
        return try await patiently { [store] in try await store.claim(request) }
    }

    /// Works on a batch, and on those after it as long as the next one is there when one is through, and it pays.
    ///
    /// Two leases are held at most: that of the batch in work, and that of the one before it, whose commit claims the
    /// one after. What is under suspicion is worked on alone.
    ///
    /// - Parameter work: makes the step of a batch. What the store refuses of a step is that step's failure, here and there:
    ///   it must not be taken for another lease's.
    /// - Returns: the answer to the last claim; `nil` when none was asked for, or when the stage itself failed.
    func workAhead(on first: Lease, _ work: (Lease) async throws -> Worked) async throws -> Claim? {
        var lease = first
        var before: Step?
        while mayClaimAhead, doesAheadPay, !lease.isSuspect {
            if isStopping {
                if let before { _ = try await commitUnrefused(before, next: nil) }
                return .granted(lease)
            }
            try await tidyUp()
            let settling = SettlingAhead(
                step: before, next: request(.isIntended), store: store, patience: patience, logger: logger)
            async let answer = settling()
            let worked = try await timed { try await work(lease) }
            let claim = try await answer
            if before != nil { progressed() }
            guard case .step(let step) = worked, case .granted(let next) = claim else {
                return try await conclude(worked)
            }
            (before, lease) = (step, next)
        }
        // What is at hand has been claimed ahead, or is worked on alone.
        if let before {
            _ = try await commitUnrefused(before, next: nil)
            return .granted(lease)
        }
        return try await conclude(try await timed { try await work(lease) })
    }

    /// Commits what came of the last batch, with the claim of the one after it.
    private func conclude(_ worked: Worked) async throws -> Claim? {
        switch worked {
        case .step(let step):
            let claim = try await commitUnrefused(step, next: next)
            progressed()
            return claim
        case .stageFailed(let error, let step): return try await failedStage(error, after: step)
        }
    }

    private func timed(_ work: () async throws -> Worked) async throws -> Worked {
        let start = store.time.instant
        let worked = try await work()
        doesAheadPay = Self.aheadPays.contains(.nanoseconds(store.time.instant - start))
        return worked
    }
}

/// The commit of the batch before, if there is one, and the claim of the batch after: beside the work on one.
private struct SettlingAhead: Sendable {
    let step: Step?
    let next: ClaimRequest
    let store: any Store
    let patience: StorePatience
    let logger: Logger

    @concurrent
    func callAsFunction() async throws -> Claim? {
        guard let step else { return try await patience.trying { [store, next] in try await store.claim(next) } }
        do {
            return try await patience.trying { [store, next] in try await store.commit(step, next: next) }
        } catch let error as LeatError where error.code == .stepRefused {
            logger.warning("A step was refused: \(error)")
            let failed = step.failing(Failure(from: error))
            return try await patience.trying { [store] in try await store.commit(failed, next: nil) }
        }
    }
}

extension Step {
    /// The step that is made instead when the store refuses this one as a whole: halving finds the culprit.
    func failing(_ failure: Failure) -> Step {
        var step = self
        step.verdict = .failedTogether(failure)
        step.outputs = []
        step.endsStage = false
        return step
    }
}
