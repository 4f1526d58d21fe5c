/// How a stage stands. The words are those of `leat_stage_status`.
public enum StageState: String, Sendable, Hashable, Codable, CaseIterable {
    /// It has work, and a live worker.
    case running
    /// It has work, and no worker.
    case ready
    /// It has no work now, and more may come.
    case waiting
    /// Settled, without dead items.
    case complete
    /// Settled, with dead items that are tolerated.
    case completeWithErrors = "complete with errors"
    /// Tripped, crashed too often, or settled with more dead items than are tolerated.
    case failed
    /// Something upstream failed, so it can't end.
    case blocked
    /// It ended once, and what it ended on has been reopened since.
    case stale

    public var isComplete: Bool { self == .complete || self == .completeWithErrors }
}

/// One stage's line in `leat status`.
public struct StageStatus: Sendable, Hashable, Codable {
    public var stage: StageName
    public var kind: StageKind
    public var state: StageState
    /// Items of its input (of a producer: shards) by state.
    public var ready: Int64
    public var waiting: Int64
    public var leased: Int64
    public var done: Int64
    public var dead: Int64
    public var skipped: Int64
    /// Items that it has put, into all its queues.
    public var emitted: Int64
    /// Attempts that were spent without success, those of the stage itself included (its producer threw, its workers
    /// died with no item to blame).
    public var failures: Int64
    /// Steps that came too late, under a lease that was lost.
    public var refused: Int64
    public var workers: Int64
    /// Whether no further input can come.
    public var isClosed: Bool
    /// Why it failed or is blocked.
    public var reason: String?

    public init(
        stage: StageName, kind: StageKind, state: StageState, ready: Int64, waiting: Int64, leased: Int64,
        done: Int64, dead: Int64, skipped: Int64, emitted: Int64, failures: Int64, refused: Int64, workers: Int64,
        isClosed: Bool, reason: String?
    ) {
        self.stage = stage
        self.kind = kind
        self.state = state
        self.ready = ready
        self.waiting = waiting
        self.leased = leased
        self.done = done
        self.dead = dead
        self.skipped = skipped
        self.emitted = emitted
        self.failures = failures
        self.refused = refused
        self.workers = workers
        self.isClosed = isClosed
        self.reason = reason
    }

    public var settled: Int64 { done + dead + skipped }
    public var known: Int64 { settled + ready + waiting + leased }
}

/// One queue's line in `leat queues`.
public struct QueueStatus: Sendable, Hashable, Codable {
    public var queue: QueueName
    /// The stage that takes from it; `nil` for a queue on its own.
    public var stage: StageName?
    /// Whether its set of producers is complete: if not, anybody may put.
    public var isSealed: Bool
    /// Whether no further item can come.
    public var isClosed: Bool
    public var ready: Int64
    public var waiting: Int64
    public var leased: Int64
    public var done: Int64
    public var dead: Int64
    public var skipped: Int64
    /// When the item that has been ready the longest was put, wall clock in milliseconds; `nil` when none is ready.
    public var oldestReadyAt: Int64?

    public init(
        queue: QueueName, stage: StageName?, isSealed: Bool, isClosed: Bool, ready: Int64, waiting: Int64,
        leased: Int64, done: Int64, dead: Int64, skipped: Int64, oldestReadyAt: Int64?
    ) {
        self.queue = queue
        self.stage = stage
        self.isSealed = isSealed
        self.isClosed = isClosed
        self.ready = ready
        self.waiting = waiting
        self.leased = leased
        self.done = done
        self.dead = dead
        self.skipped = skipped
        self.oldestReadyAt = oldestReadyAt
    }

    /// Whether nothing is left of it, and nothing will come.
    public var isFinished: Bool { isClosed && ready + waiting + leased == 0 }
}

extension Store {
    /// How the stages of the pipeline stand: what a run is judged by. Queues on their own are nobody's run.
    package func pipelineStatus() async throws -> [StageStatus] { try await status().filter { $0.kind != .queue } }
}

/// A process that runs, or ran, a stage.
public struct WorkerRecord: Sendable, Hashable, Codable {
    public var id: WorkerID
    public var stage: StageName
    public var pid: Int32
    public var log: String?
    /// Wall clock, milliseconds.
    public var startedAt: Int64
    public var seenAt: Int64
    /// Whether it was seen within its lease, and is not known to have died.
    public var isLive: Bool
    /// How it ended; `nil` while it lives, and until somebody has noticed that it does not.
    public var ending: String?

    public init(
        id: WorkerID, stage: StageName, pid: Int32, log: String?, startedAt: Int64, seenAt: Int64,
        isLive: Bool, ending: String?
    ) {
        self.id = id
        self.stage = stage
        self.pid = pid
        self.log = log
        self.startedAt = startedAt
        self.seenAt = seenAt
        self.isLive = isLive
        self.ending = ending
    }
}

/// How far one slice of a producer is.
public struct ShardRecord: Sendable, Hashable, Codable {
    public var id: ShardID
    /// How many items it has put, in all runs.
    public var emitted: Int64
    /// Whether it has come to its end.
    public var isComplete: Bool

    public init(id: ShardID, emitted: Int64, isComplete: Bool) {
        self.id = id
        self.emitted = emitted
        self.isComplete = isComplete
    }
}

/// An item whose attempts are used up, with its reason.
public struct DeadLetter: Sendable, Hashable {
    public var stage: StageName
    public var queue: QueueName
    public var item: ItemID
    public var attempts: Int
    public var reason: String
    public var payload: Payload
    /// What the last of its attempts left on standard error, as it was written; `nil` if it left nothing.
    public var errorOutput: String?

    public init(
        stage: StageName, queue: QueueName, item: ItemID, attempts: Int, reason: String, payload: Payload,
        errorOutput: String? = nil
    ) {
        self.stage = stage
        self.queue = queue
        self.item = item
        self.attempts = attempts
        self.reason = reason
        self.payload = payload
        self.errorOutput = errorOutput
    }
}

/// An attempt that failed, and whose it was.
public struct AttemptRecord: Sendable, Hashable, Codable {
    public var stage: StageName
    /// `nil` when it was the stage's own: its producer threw, or its workers die with no item to blame.
    public var item: ItemID?
    public var worker: WorkerID
    /// Wall clock, milliseconds.
    public var failedAt: Int64
    public var error: String
    /// What its command ended with, if it was one that ended; 128 and the signal's number, if a signal ended it.
    public var exitStatus: Int32?
    /// How long it took, if that is known; whole milliseconds are kept.
    public var durationMilliseconds: Int64?
    /// The end of what it wrote on standard error, as it was written: whoever shows it must escape it.
    public var errorOutput: String?

    public init(
        stage: StageName, item: ItemID?, worker: WorkerID, failedAt: Int64, error: String, evidence: Evidence? = nil
    ) {
        self.stage = stage
        self.item = item
        self.worker = worker
        self.failedAt = failedAt
        self.error = error
        exitStatus = evidence?.exitStatus
        durationMilliseconds = evidence?.duration?.milliseconds
        errorOutput = evidence?.errorOutput
    }
}

/// A point in a store's sequence of commits, comparable only with marks that the same store object gave out.
public struct ChangeMark: Sendable, Hashable {
    package let value: Int64
    public init(_ value: Int64) { self.value = value }
}

/// Two figures that should be equal and are not.
public struct Discrepancy: Sendable, Hashable, Codable {
    /// What was counted, with the names: `done items of queue raw`.
    public var what: String
    public var expected: String
    public var found: String

    public init(_ what: String, expected: String, found: String) {
        self.what = what
        self.expected = expected
        self.found = found
    }
}
