/// The worker that one handle of a queue claims as: enrolled with the first claim, under one number until it ends.
///
/// It ends when it is told to, or when nobody has the handle, nor anything that was claimed by it, any more.
package actor QueueTaker {
    private let stage: StageSpec
    private let store: any Store
    private let pid: Int32
    private var worker: WorkerID?
    /// Tasks that claim at the same time wait for one enrollment.
    private var enrolling: Task<WorkerID, any Error>?
    private var run: String?
    private var tidied: Int64?
    private var hasRead = false
    private var unread = 0

    init(_ stage: StageSpec, on store: any Store, pid: Int32) {
        self.stage = stage
        self.store = store
        self.pid = pid
    }

    deinit {
        guard let worker else { return }
        // Nobody is left who could wait for it. Should it fail, the store finds the worker dead with its process.
        Task.detached { [store] in try await store.end(worker, .stopped) }
    }

    /// Whether puts may have to wait for room.
    nonisolated var isBounded: Bool { stage.policy.capacity != nil }

    /// A taker of its own for the same queue.
    nonisolated func another() -> QueueTaker { QueueTaker(stage, on: store, pid: pid) }

    func claim(upTo limit: Int, for duration: Duration) async throws -> Claim {
        guard stage.kind == .queue else {
            throw LeatError(
                .refused,
                "Queue '\(stage.input.map(\.rawValue) ?? "")' belongs to a pipeline, whose stage '\(stage.name)' takes from it; nobody else can."
            )
        }
        // Who is woken for an item takes that first.
        try await tidyUp(after: .seconds(2))
        let claim = try await claimNow(upTo: limit, for: duration)
        if case .granted = claim { return claim }
        return try await tidyUp(after: .seconds(1)) ? claimNow(upTo: limit, for: duration) : claim
    }

    private func claimNow(upTo limit: Int, for duration: Duration) async throws -> Claim {
        while true {
            let worker = try await enrolled()
            do {
                return try await store.claim(ClaimRequest(stage.name, worker: worker, limit: limit, for: duration))
            } catch let error as LeatError where error.code == .leaseLost {
                // Somebody took it for dead: what it held is gone, and it goes on under a new number.
                if self.worker == worker { self.worker = nil }
            }
        }
    }

    /// Identifies the run, for idempotency keys.
    func runID() async throws -> String {
        if let run { return run }
        let found = try await store.runID()
        run = found
        return found
    }

    /// - Returns: how many items in a row could not be read, since this handle began, when none could.
    func read(_ readable: Int, unreadable: Int) -> Int {
        if readable > 0 { hasRead = true }
        unread += unreadable
        return hasRead ? 0 : unread
    }

    /// Hands back what is held. The next claim enrolls anew.
    func end() async throws {
        guard let ended = worker else { return }
        try await store.end(ended, .stopped)
        if worker == ended { worker = nil }
    }

    private func enrolled() async throws -> WorkerID {
        if let worker { return worker }
        if let enrolling { return try await enrolling.value }
        // Awaited by all who claim meanwhile, the first of them here: enrolling twice would leave a worker behind.
        let task = Task { [store, stage, pid] in
            try await store.enroll(Enrollment(stage: stage.name, pid: pid, sign: .process))
        }
        enrolling = task
        defer { enrolling = nil }
        let number = try await task.value
        worker = number
        return number
    }

    /// About once a second, and each two where there is always something to claim: finds who died, and removes what is not
    /// to be kept.
    ///
    /// - Returns: whether it was so long ago.
    @discardableResult
    private func tidyUp(after pause: Duration) async throws -> Bool {
        let now = store.time.instant
        guard tidied.map({ now - $0 >= pause.nanoseconds }) ?? true else { return false }
        tidied = now
        _ = try await store.reap(supervisor: nil)
        _ = try await store.prune(upTo: 2000)
        if let queue = stage.input, let observed = store as? ObservedStore { try await observed.sample(queue) }
        return true
    }
}
