internal import Logging

// Several items at once: while some are worked on, others are claimed and committed, so that no place stands empty.
extension WorkerSession {
    private enum Event: Sendable {
        case ended(LeaseID, Int, ItemsInHand.Outputs)
        /// What is through has waited for long enough.
        case isLate
        /// Something was committed, or a while has passed.
        case looked(ChangeMark?)
    }

    /// Works until nothing is at hand and nothing could be claimed, or until the stage itself fails: then what is under
    /// way is finished and committed first.
    func workSideBySide(
        on first: Lease, _ body: @escaping @Sendable (Item, inout [Output]) async throws -> Void
    ) async throws {
        let isOrdered = stage.outputOrder == .asTaken && !stage.spec.outputs.isEmpty
        var hand = ItemsInHand(places: stage.concurrency, isOrdered: isOrdered)
        hand.take(first)
        var supply = Supply()
        var timed = (since: store.time.instant, items: 0)
        var stageError: (any Error)?
        try await withThrowingTaskGroup(of: Event.self) { group in
            defer { group.cancelAll() }
            while true {
                try await tidyUp()
                let mayBegin = !isStopping && !heartbeat.isLost && stageError == nil
                while mayBegin, let next = hand.begin() { begin(next, body, in: &group) }
                while let settlement = hand.settle(at: store.time.instant) {
                    if try await !commit(settlement) { hand.drop(settlement.lease.id) }
                }
                if mayBegin, hand.isShort, !hand.isSuspect, supply.isOpen, mayClaimAhead {
                    let claim = try await claimAhead(hand.isEmpty)
                    supply.answered(claim, isEmpty: hand.isEmpty)
                    if let lease = claim.lease { hand.take(lease) }
                    continue
                }
                if hand.running == 0, !mayBegin || hand.unbegun == 0 {
                    while var settlement = hand.settle(at: store.time.instant, isLast: true) {
                        // Then the worker's end hands it back.
                        if stageError != nil { settlement.notBegun = [] }
                        _ = try await commit(settlement)
                    }
                    return
                }
                if let wait = hand.wait(at: store.time.instant), supply.setsTimer() {
                    group.addTask { [time = store.time] in
                        // Cancelled when the work is through.
                        try? await time.sleep(for: wait)
                        return .isLate
                    }
                }
                if hand.isShort, mayClaimAhead, supply.looks() { look(supply.mark, until: supply.due, in: &group) }
                switch try await group.next() {
                case .ended(let lease, let place, let result):
                    if case .failure(let error) = result, error.isOfTheStage { stageError = stageError ?? error }
                    hand.end(lease, place, result, at: store.time.instant)
                    timed.items += 1
                    let now = store.time.instant
                    if timed.items >= stage.concurrency {
                        batchSize.worked(timed.items, in: .nanoseconds(now - timed.since))
                        timed = (now, 0)
                    }
                case .isLate: supply.timerWent()
                case .looked(let mark): supply.looked(mark)
                case nil: return
                }
            }
        }
        if let stageError { _ = try await failedStage(stageError, after: nil) }
    }

    private func begin(
        _ next: (lease: LeaseID, place: Int, item: Item),
        _ body: @escaping @Sendable (Item, inout [Output]) async throws -> Void,
        in group: inout ThrowingTaskGroup<Event, any Error>
    ) {
        let own = activity.open(next.item)
        group.addTask { [activity, call] in
            defer { activity.close(own) }
            var outputs: [Output] = []
            do {
                try await Activity.$current.withValue(own) { try await call(body, next.item, &outputs) }
                for index in outputs.indices { outputs[index].parent = next.item.id }
                return .ended(next.lease, next.place, .success(outputs))
            } catch {
                return .ended(next.lease, next.place, .failure(error))
            }
        }
    }

    private func look(_ mark: ChangeMark?, until due: Int64?, in group: inout ThrowingTaskGroup<Event, any Error>) {
        guard let queue = stage.spec.input else { return }
        let left = due.map { max($0 - store.time.wallClock, 1) } ?? 1000
        group.addTask { [patience, store] in
            let seen = try await patience.cutShort {
                try await store.change(of: .work(in: queue), since: mark, within: .milliseconds(min(left, 1000)))
            }
            return .looked(seen ?? mark)
        }
    }

    /// - Returns: whether the lease was still this worker's.
    private func commit(_ settlement: ItemsInHand.Settlement) async throws -> Bool {
        var outputs: [Output] = []
        var outcomes: [ItemID: Outcome] = [:]
        for (item, result) in settlement.ended {
            switch result {
            case .success(let made):
                outputs += made
                outcomes[item.id] = .done
            // It stays leased, and is handed back by the worker's end.
            case .failure(let error) where error.isOfTheStage: break
            case .failure(let error): outcomes[item.id] = outcome(of: error, on: item)
            }
        }
        for item in settlement.notBegun { outcomes[item.id] = .released }
        guard !outcomes.isEmpty else { return true }
        let isAllDone =
            settlement.isWhole && outcomes.count == settlement.lease.items.count
            && outcomes.values.allSatisfy { $0 == .done }
        do {
            do {
                let verdict: Verdict = isAllDone ? .done : .each(outcomes)
                _ = try await commit(Step(verdict, of: settlement.lease, outputs: outputs), next: nil)
            } catch let error as LeatError where error.code == .stepRefused {
                logger.warning("A step of \(outcomes.count) items was refused: \(error)")
                try await commitSingly(outcomes, outputs, of: settlement.lease)
            }
            progressed()
            return true
        } catch let error where error.isLateStep {
            // It alone may have been taken away. If the worker is dead to the others, its next claim is refused too.
            logger.warning("A step came too late and was refused: \(error)")
            return false
        }
    }

    /// Each item was worked on by itself, so the one whose step is refused is to blame, and nobody else.
    private func commitSingly(_ outcomes: [ItemID: Outcome], _ outputs: [Output], of lease: Lease) async throws {
        for (id, outcome) in outcomes.sorted(by: { $0.key < $1.key }) {
            do {
                let made = outputs.filter { $0.parent == id }
                _ = try await commit(Step(.each([id: outcome]), of: lease, outputs: made), next: nil)
            } catch let error as LeatError where error.code == .stepRefused {
                _ = try await commit(Step(.each([id: .failed(Failure(from: error))]), of: lease), next: nil)
            }
        }
    }
}

/// Whether more may be had, to one who has some at hand.
private struct Supply {
    private(set) var isOpen = true
    private(set) var mark: ChangeMark?
    /// When something is due, in milliseconds of the wall clock.
    private(set) var due: Int64?
    private var isLooking = false
    private var hasTimer = false
    /// What is next must be alone, or the stage hands out nothing: what is at hand is finished first.
    private var isOver = false

    /// - Parameter isEmpty: whether nothing was at hand.
    mutating func answered(_ claim: Claim, isEmpty: Bool) {
        switch claim {
        case .granted: isOpen = true
        case .nothing(let until):
            isOpen = false
            due = until
        // What is at hand, or in others' hands, may fail, or have been in the way of others of its group.
        case .finished where !isEmpty:
            isOpen = false
            due = nil
        case .finished, .settleFirst, .full, .refused:
            isOpen = false
            isOver = true
        }
    }

    /// - Returns: whether somebody must begin to look out.
    mutating func looks() -> Bool {
        guard !isOpen, !isOver, !isLooking else { return false }
        isLooking = true
        return true
    }

    mutating func looked(_ mark: ChangeMark?) {
        self.mark = mark
        isLooking = false
        isOpen = !isOver
    }

    /// - Returns: whether a timer must be set.
    mutating func setsTimer() -> Bool {
        guard !hasTimer else { return false }
        hasTimer = true
        return true
    }

    mutating func timerWent() { hasTimer = false }
}
