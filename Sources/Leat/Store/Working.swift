/// A process that is about to run a stage.
public struct Enrollment: Sendable, Hashable {
    public var stage: StageName
    public var pid: Int32
    /// The process that will learn its exit status, if there is one: others then leave its death to it.
    public var supervisor: Int32?
    /// Where its log goes, for people.
    public var log: String?
    public var sign: SignOfLife

    public init(
        stage: StageName, pid: Int32, supervisor: Int32? = nil, log: String? = nil, sign: SignOfLife = .heartbeat
    ) {
        self.stage = stage
        self.pid = pid
        self.supervisor = supervisor
        self.log = log
        self.sign = sign
    }
}

/// What tells that a worker lives.
public enum SignOfLife: Sendable, Hashable {
    /// It beats; silent for longer than a lease, it is dead.
    case heartbeat
    /// Its process is there. It may be silent for ever: what it claims has a time of its own.
    case process
}

/// How a worker ended.
public enum WorkerEnding: Sendable, Hashable {
    /// It has nothing left to do.
    case finished
    /// It was told to stop (a signal, its supervisor's death). What it held is handed back; nobody is suspected.
    case stopped
    /// The host was started anew since. Nobody is suspected.
    case rebooted
    /// Its heartbeat was not seen for longer than the lease. Nobody is suspected: a stopped process is no culprit.
    case silent
    /// It was killed by SIGKILL, or died unseen, which can't be told apart.
    case killed
    /// It ended in another way that was not asked for, `exit(0)` included.
    case crashed(String)
    /// Its item was not finished within the timeout, and it ended itself.
    case timedOut(String)
    /// The stage failed where no item is to blame: its producer threw, or what has its whole input or comes after
    /// others; or the store refused for a reason of its own. What it held is handed back; nobody is suspected. A
    /// permanent failure trips the stage at once.
    case failed(Failure)

    /// Whether the items it held come under suspicion.
    public var isSuspicious: Bool {
        switch self {
        case .finished, .stopped, .rebooted, .silent: false
        case .killed, .crashed, .timedOut, .failed: true
        }
    }

    /// Whether no repetition can mend it, so that the stage is given up at once.
    public var isPermanent: Bool { if case .failed(let failure) = self { failure.isPermanent } else { false } }

    /// Whether the stage itself is to blame, whatever its worker held.
    public var isOfTheStage: Bool { if case .failed = self { true } else { false } }

    /// What the stage's own failure brought to look at.
    public var evidence: Evidence? { if case .failed(let failure) = self { failure.evidence } else { nil } }

    /// The word that is stored.
    public var word: String {
        switch self {
        case .finished: "finished"
        case .stopped: "stopped"
        case .rebooted: "rebooted"
        case .silent: "silent"
        case .killed: "killed"
        case .crashed: "crashed"
        case .timedOut: "timed out"
        case .failed: "failed"
        }
    }

    /// One sentence for a dead letter's reason.
    public var reason: String {
        switch self {
        case .finished, .stopped, .rebooted, .silent: "the worker ended (\(word))"
        case .killed: "the worker was killed while it had this item alone"
        case .crashed(let how): "the worker died while it had this item alone: \(how)"
        case .timedOut(let how): how
        case .failed(let failure): failure.reason
        }
    }

    /// The same for an item that this many deaths by SIGKILL have come to.
    public func reason(kills: Int) -> String {
        self == .killed ? "its worker was killed \(kills) times while it had this item alone" : reason
    }

    /// What is told of the stage whose own failure it is.
    public var stageReason: String {
        switch self {
        case .finished, .stopped, .rebooted, .silent, .killed: "its worker was \(word)"
        case .crashed(let how): "its worker died: \(how)"
        case .timedOut(let how): how
        case .failed(let failure): failure.reason
        }
    }

    /// Why a stage hands out nothing more after this many of its own failures in a row.
    public func tripReason(after count: Int) -> String {
        switch self {
        case .finished, .stopped, .rebooted, .silent: stageReason
        case .killed: "its workers were killed \(count) times in a row"
        case .crashed(let how), .timedOut(let how): "its workers died \(count) times in a row, the last one: \(how)"
        case .failed(let failure) where failure.isPermanent || count <= 1: failure.reason
        case .failed(let failure): "it failed \(count) times in a row, the last time: \(failure.reason)"
        }
    }
}

/// Whom a worker's death was charged to.
public enum DeathAccount: Sendable, Hashable {
    /// The ending was not a death, or somebody had recorded it before.
    case nobody
    /// A batch was halved, or a single item put under suspicion.
    case halved
    /// The item that it had alone.
    case charged
    /// The stage: nothing was held that could be suspected. A worker that only waited is nobody's when it is killed.
    case stage
}

/// A worker that was found dead by another process.
public struct Reaped: Sendable, Hashable {
    public let worker: WorkerID
    public let stage: StageName
    public let ending: WorkerEnding
    public let account: DeathAccount

    public init(worker: WorkerID, stage: StageName, ending: WorkerEnding, account: DeathAccount) {
        self.worker = worker
        self.stage = stage
        self.ending = ending
        self.account = account
    }
}

/// What a heartbeat found.
public enum Beat: Sendable, Hashable {
    case alive
    /// Somebody else has declared this worker dead: what it held is gone.
    case lost
    /// The path names another file than the one that was opened.
    case fileReplaced
}

/// How long a worker may be silent.
public struct LeaseTerms: Sendable, Hashable {
    /// Between two heartbeats.
    public var heartbeat: Duration
    /// After the last heartbeat the worker's leases end.
    public var duration: Duration

    public init(heartbeat: Duration = .seconds(1), duration: Duration = .seconds(15)) {
        precondition(heartbeat > .zero && duration >= heartbeat * 2, "a lease lasts at least two heartbeats")
        self.heartbeat = heartbeat
        self.duration = duration
    }
}
