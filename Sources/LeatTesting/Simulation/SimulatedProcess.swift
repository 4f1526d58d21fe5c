internal import Leat
internal import Synchronization

/// The process of one worker, as its store sees it: what it asks for takes time, may fail, may come late, and it may die
/// at any of its steps, before or behind the transaction.
///
/// A process that is dead changes nothing any more; what still runs of it is thrown out at its next step.
final class SimulatedProcess: ForwardingStore {
    /// What happens to it at its next step.
    enum Fault: Sendable, Hashable {
        /// Its step is not made.
        case dieBefore
        /// Its step is made, and it never hears of it.
        case dieAfter
        /// It stands still, its heartbeat too, and goes on with the step as if nothing had been.
        case stall(Duration)
        /// Its next steps are refused for want of the lock or of room.
        case fail(LeatError.Code, Int)
    }

    private struct State {
        var isDead = false
        var isStalled = false
        var fault: Fault?
        var worker: WorkerID?
    }

    let base: any Store
    let name: String
    private let scene: SimulatedScene
    private let state = Mutex(State())

    init(_ base: any Store, _ name: String, _ scene: SimulatedScene) {
        self.base = base
        self.name = name
        self.scene = scene
    }

    var isDead: Bool { state.withLock { $0.isDead } }
    /// The worker that it runs, as far as it knows.
    var worker: WorkerID? { state.withLock { $0.worker } }

    func arm(_ fault: Fault) { state.withLock { $0.fault = fault } }

    func die(_ how: String) {
        let isNews = state.withLock { state in
            defer { state.isDead = true }
            return !state.isDead
        }
        if isNews { scene.note("\(name) dies: \(how)") }
    }

    private func refuseIfDead() throws { if isDead { throw SimulatedDeath() } }

    /// Makes one step of the store.
    private func step<Answer>(_ what: @autoclosure () -> String, _ body: () async throws -> Answer) async throws
        -> Answer
    {
        try refuseIfDead()
        await scene.time.pass(.microseconds(scene.number(0...2000)))
        try refuseIfDead()
        let fault = state.withLock { state -> Fault? in
            defer {
                if case .fail(let code, let count) = state.fault, count > 1 {
                    state.fault = .fail(code, count - 1)
                } else {
                    state.fault = nil
                }
            }
            return state.fault
        }
        switch fault {
        case .dieBefore:
            die("before \(what())")
            throw SimulatedDeath()
        case .stall(let duration):
            scene.note("\(name) stands still for \(duration.words) before \(what())")
            state.withLock { $0.isStalled = true }
            await scene.time.pass(duration)
            state.withLock { $0.isStalled = false }
            try refuseIfDead()
        case .fail(let code, _):
            scene.note("\(name) \(what()): \(code.rawValue)")
            throw LeatError(code, "The simulated store is in trouble.")
        case .dieAfter, nil: break
        }
        let answer: Answer
        do {
            answer = try await body()
        } catch {
            scene.refused(what(), of: name, error)
            throw error
        }
        if fault == .dieAfter { die("behind \(what())") }
        try refuseIfDead()
        scene.note("\(name) \(what())")
        return answer
    }
}

/// What a dead process's steps throw to what still runs of it. It is no answer of the store.
struct SimulatedDeath: Error {}

extension SimulatedProcess {
    func install(_ plan: Plan) async throws { try await step("install") { try await base.install(plan) } }
    func runID() async throws -> String { try await step("runID") { try await base.runID() } }

    func enroll(_ enrollment: Enrollment) async throws -> WorkerID {
        try await step("enroll") {
            let worker = try await base.enroll(enrollment)
            state.withLock { $0.worker = worker }
            return worker
        }
    }
    func beat(_ worker: WorkerID) throws -> Beat {
        // Nobody hears of a beat that is not made.
        if state.withLock({ $0.isDead || $0.isStalled }) { return .alive }
        let beat = try base.beat(worker)
        if beat != .alive { scene.note("\(name) hears that it is lost") }
        return beat
    }
    func end(_ worker: WorkerID, _ ending: WorkerEnding) async throws -> DeathAccount {
        try await step("end \(worker): \(ending.word)") { try await base.end(worker, ending) }
    }
    func endBlocking(_ worker: WorkerID, _ ending: WorkerEnding, culprit: ItemID?) throws {
        try refuseIfDead()
        scene.note("\(name) end \(worker): \(ending.word), culprit \(culprit.map { "\($0)" } ?? "unknown")")
        try base.endBlocking(worker, ending, culprit: culprit)
    }
    func reap(supervisor: Int32?) async throws -> [Reaped] {
        try await step("reap") {
            let reaped = try await base.reap(supervisor: supervisor)
            for dead in reaped { scene.note("\(name) finds \(dead.worker) ended: \(dead.ending.word)") }
            return reaped
        }
    }
    func open(_ shard: ShardID, by worker: WorkerID) async throws -> ShardOpening {
        try await step("open \(shard)") { try await base.open(shard, by: worker) }
    }
    func emit(_ emission: Emission) async throws -> QueueName? {
        try await step("emit \(emission.outputs.map(\.payload.preview)), cursor \(emission.cursor ?? "–")") {
            try await base.emit(emission)
        }
    }
    func fullOutput(of stage: StageName) async throws -> QueueName? {
        try await step("look for room") { try await base.fullOutput(of: stage) }
    }
    func claim(_ request: ClaimRequest) async throws -> Claim {
        try await step("claim \(request.limit)") { noted(try await base.claim(request)) }
    }
    func claimAll(_ stage: StageName, worker: WorkerID) async throws -> Claim {
        try await step("claim all") { noted(try await base.claimAll(stage, worker: worker)) }
    }
    private func noted(_ claim: Claim) -> Claim {
        if let lease = claim.lease {
            scene.note("\(name) has lease \(lease.id): \(lease.items.map(\.id))\(lease.isSuspect ? ", suspect" : "")")
        }
        return claim
    }
    func commit(_ step: Step, next: ClaimRequest?) async throws -> Claim? {
        try await self.step("commit \(step.lease): \(step.outputs.map(\.payload.preview))") {
            try await base.commit(step, next: next).map(noted)
        }
    }
    func commit(_ steps: [Step]) async throws {
        try await step("commit \(steps.map(\.lease)): \(steps.flatMap(\.outputs).map(\.payload.preview))") {
            try await base.commit(steps)
        }
    }
    func evaluate() async throws { try await step("evaluate") { try await base.evaluate() } }
    func prune(upTo limit: Int) async throws -> Int { try await step("prune") { try await base.prune(upTo: limit) } }
    func status() async throws -> [StageStatus] { try await step("status") { try await base.status() } }
    func change(of what: Awaited, since mark: ChangeMark?, within timeout: Duration) async throws -> ChangeMark {
        try refuseIfDead()
        let mark = try await base.change(of: what, since: mark, within: timeout)
        try refuseIfDead()
        return mark
    }
}
