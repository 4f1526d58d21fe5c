/// What the in-memory store knows of a stage: its rules, its counts, and the facts that its status follows from.
struct MemoryStage: Sendable {
    /// Its policy may change from run to run.
    var spec: StageSpec
    /// Grows in every acknowledging step, apart from the items' states, so that each can be held against the other.
    var acknowledged: Int64 = 0
    var reopened: Int64 = 0
    var failures: Int64 = 0
    var refused: Int64 = 0
    var breaker = BreakerCounts()
    /// Deaths in a row that no item is to blame for.
    var crashes = 0
    /// The same by SIGKILL, which has a budget of its own.
    var kills = 0
    /// How far its rate is spent.
    var account: RateAccount?
    /// Why it hands out nothing.
    var trip: String?
    /// How many items it has put, by queue.
    var emitted: [QueueName: Int64] = [:]
    /// Whoever writes from a cursor: a producer's shards, or the one of a stage that comes after others.
    var shards: [ShardName: MemoryShard] = [:]
    /// The queues that it has told that nothing more will come; of a stage with an input.
    var completions: Set<QueueName> = []
    var hasEnded = false
    /// How often it has ended; above 0 without ``hasEnded`` it is stale.
    var endings = 0

    init(_ spec: StageSpec) {
        self.spec = spec
        for shard in spec.shards { shards[shard] = MemoryShard() }
    }

    var isStale: Bool { endings > 0 && !hasEnded }
    var areShardsComplete: Bool { shards.values.allSatisfy(\.isComplete) }

    mutating func end() {
        hasEnded = true
        endings += 1
    }

    /// A step of the stage was committed, so it isn't the stage that is broken.
    mutating func forgetCrashes() {
        crashes = 0
        kills = 0
    }

    /// Gives it a fresh start: trip, crash budget and breaker.
    mutating func clear() {
        trip = nil
        forgetCrashes()
        breaker = BreakerCounts()
    }

    /// Counts what became of items, and trips when too many of them die.
    mutating func settle(done: Int64, dead: Int64) {
        let rule = spec.policy.breaker
        breaker.settle(done: done, dead: dead, window: rule.window)
        if dead > 0, trip == nil { trip = rule.verdict(on: breaker) }
    }

    /// Charges it with a failure that no single item is to blame for.
    mutating func charge(_ ending: WorkerEnding) {
        switch ending {
        case .finished, .stopped, .rebooted, .silent: return
        case .killed:
            kills += 1
            if kills >= spec.policy.retry.kills { trip = trip ?? ending.tripReason(after: kills) }
        case .crashed, .timedOut, .failed:
            failures += 1
            crashes += 1
            if crashes >= spec.policy.crashes || ending.isPermanent {
                trip = trip ?? ending.tripReason(after: crashes)
            }
        }
    }
}

/// One slice of a stage that writes from a cursor.
struct MemoryShard: Sendable {
    /// The fencing token: raised whenever it is opened.
    var epoch: Int64 = 0
    var owner: WorkerID?
    var cursor: String?
    var emitted: Int64 = 0
    var isComplete = false
}

/// A worker, living or ended.
struct MemoryWorker: Sendable {
    let enrollment: Enrollment
    let startedAt: Int64
    let boot: String
    /// Its last heartbeat, by the clock that cannot jump.
    var beatAt: Int64
    /// The same by the wall clock, for people.
    var seenAt: Int64
    var leases: Set<LeaseID> = []
    var ending: WorkerEnding?
}
