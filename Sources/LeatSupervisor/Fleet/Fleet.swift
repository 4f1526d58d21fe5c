package import Leat

/// A place where a stage's workers run, one after the other.
package struct Slot: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let stage: StageName
    /// From 1.
    package let number: Int

    package init(_ stage: StageName, _ number: Int) {
        self.stage = stage
        self.number = number
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.stage, left.number) < (right.stage, right.number)
    }
    package var description: String { "\(stage)-\(number)" }
}

/// How many workers are to run, and what is done when one ends: the supervisor's decisions, without a clock, a process
/// or a store.
///
/// When ``RunVerdict`` says that no stage can make progress, or when it is told to
/// stop, the fleet starts nobody any more, and is finished when the last worker
/// has gone.
package struct Fleet: Sendable {
    package enum Event: Sendable, Hashable {
        /// How the stages stand now, and which producers are at their limit.
        case status([StageStatus], spent: Set<StageName> = [])
        /// A slot's worker is gone, and its ending is in the store; how the stages stand after it.
        case ended(Slot, DeathAccount, [StageStatus], spent: Set<StageName> = [])
        /// The pause of a slot is over.
        case due(Slot)
        /// Somebody wants it to end: the first time in good order, the second time at once.
        case stop
        /// The time that was allowed for leaving is over.
        case graceIsOver
    }

    package enum Action: Sendable, Hashable {
        case start(Slot)
        /// Send ``Event/due(_:)`` after so long.
        case pause(Slot, Duration)
        /// Ask every worker to end.
        case terminate
        /// End every worker.
        case kill
        /// Send ``Event/graceIsOver`` after the time that is allowed for leaving.
        case allowGrace
        /// Nobody is left, and nobody will be started.
        case finish
    }

    private enum Phase: Sendable, Hashable {
        case working
        /// Everything is complete: the workers notice, and leave by themselves.
        case leaving
        /// They have been asked to end.
        case draining
        /// They have been ended.
        case killing
        case finished
    }

    private enum Place: Sendable, Hashable {
        case empty
        case pausing
        /// With the stage's progress at the start.
        case running(Int64)
    }

    private let plan: Plan
    /// Those that it runs; `nil`: all.
    private let selected: Set<StageName>?
    private let slots: [Slot]
    private var places: [Slot: Place]
    private var restarts: [Slot: RestartPolicy]
    private var phase = Phase.working
    private var verdict = RunVerdict.goingOn
    private var stages: [StageName: StageStatus] = [:]
    /// Producers that have put as much as they may.
    private var spent: Set<StageName> = []
    /// Whether it was told to stop.
    package private(set) var isInterrupted = false

    /// - Parameters:
    ///   - workers: how many a stage has; one, if it is not named. A stage that does all at once has one.
    ///   - selected: the stages that get any; `nil`: all.
    package init(plan: Plan, workers: [StageName: Int], stages selected: Set<StageName>? = nil) {
        self.plan = plan
        self.selected = selected
        slots = plan.stages.filter { selected?.contains($0.name) ?? true }.flatMap { stage in
            let count = stage.takesAll || !stage.after.isEmpty ? 1 : max(workers[stage.name] ?? 1, 1)
            return (1...count).map { Slot(stage.name, $0) }
        }
        places = Dictionary(uniqueKeysWithValues: slots.map { ($0, .empty) })
        restarts = Dictionary(uniqueKeysWithValues: slots.map { ($0, RestartPolicy()) })
    }

    package mutating func event(_ event: Event) -> [Action] {
        switch event {
        case .status(let statuses, let spent):
            note(statuses, spent)
            return advance()
        case .ended(let slot, let account, let statuses, let spent):
            let before = places[slot]
            note(statuses, spent)
            return vacate(slot, before, account) + advance()
        case .due(let slot):
            if places[slot] == .pausing { places[slot] = .empty }
            return advance()
        case .stop:
            return stop()
        case .graceIsOver:
            switch phase {
            case .leaving: return drain()
            case .draining: return kill()
            case .working, .killing, .finished: return []
            }
        }
    }

    private var isEmpty: Bool {
        places.values.allSatisfy { place in
            if case .running = place { false } else { true }
        }
    }

    private mutating func note(_ statuses: [StageStatus], _ spent: Set<StageName>) {
        stages = Dictionary(statuses.map { ($0.stage, $0) }, uniquingKeysWith: { first, _ in first })
        self.spent = spent
        verdict = RunVerdict.judge(statuses, of: plan, stages: selected, spent: spent)
    }

    private var areAllComplete: Bool {
        slots.allSatisfy { stages[$0.stage]?.state.isComplete ?? false }
    }

    /// The stages' states decide: start whom they want, or begin to end.
    private mutating func advance() -> [Action] {
        if phase == .working {
            switch verdict {
            case .goingOn: return fill()
            case .over:
                // Who waits for what will never come, or not in this run, does not notice by itself.
                if !isEmpty, !areAllComplete { return drain() }
                phase = .leaving
                if !isEmpty { return [.allowGrace] }
            }
        }
        guard phase != .working, phase != .finished, isEmpty else { return [] }
        phase = .finished
        return [.finish]
    }

    private mutating func fill() -> [Action] {
        var actions: [Action] = []
        for slot in slots where places[slot] == .empty && wants(slot.stage) {
            places[slot] = .running(progress(of: slot.stage))
            actions.append(.start(slot))
        }
        return actions
    }

    /// Whether one more worker of a stage would have something to do, now or soon.
    private func wants(_ name: StageName) -> Bool {
        guard let status = stages[name], let stage = plan.stage(name), !spent.contains(name) else { return false }
        let hasItems = status.ready + status.waiting + status.leased > 0
        switch status.state {
        case .complete, .completeWithErrors, .failed: return false
        case .blocked: if !hasItems, !status.isClosed { return false }
        case .running, .ready, .waiting, .stale: break
        }
        // It would wait for the end of others all the time, so its process is spared until then.
        if stage.takesAll { return status.isClosed }
        if !stage.after.isEmpty { return stage.after.allSatisfy { stages[$0]?.state.isComplete ?? false } }
        if stage.kind == .producer {
            // A shard has one worker.
            let running = slots.filter { slot in
                guard slot.stage == name, case .running = places[slot] else { return false }
                return true
            }
            return Int64(running.count) < status.known - status.settled
        }
        return true
    }

    private mutating func vacate(_ slot: Slot, _ before: Place?, _ account: DeathAccount) -> [Action] {
        places[slot] = .empty
        guard phase == .working else { return [] }
        let event: RestartPolicy.Event
        switch account {
        case .halved, .charged: event = .charged
        case .stage, .nobody:
            guard case .running(let progressBefore) = before else { return [] }
            event = progress(of: slot.stage) > progressBefore ? .progressed : .fruitless
        }
        let pause = restarts[slot]?.event(event) ?? .zero
        guard pause > .zero else { return [] }
        places[slot] = .pausing
        return [.pause(slot, pause)]
    }

    private func progress(of name: StageName) -> Int64 { stages[name].map { $0.settled + $0.emitted } ?? 0 }

    private mutating func stop() -> [Action] {
        isInterrupted = isInterrupted || phase != .finished
        switch phase {
        case .working, .leaving: return drain()
        case .draining: return kill()
        case .killing, .finished: return []
        }
    }

    private mutating func drain() -> [Action] {
        phase = .draining
        return isEmpty ? advance() : [.terminate, .allowGrace]
    }

    private mutating func kill() -> [Action] {
        phase = .killing
        return isEmpty ? advance() : [.kill]
    }
}
