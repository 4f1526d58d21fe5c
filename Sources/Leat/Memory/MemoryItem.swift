/// An item as the in-memory store keeps it: one plain record, whatever its state.
struct MemoryItem: Sendable {
    private(set) var payload: Payload
    private(set) var key: String?
    let group: String?
    let headers: [String: String]
    let origin: StageName?
    let parent: ItemID?
    let priority: Int
    let createdAt: Int64
    /// Whether it is only counted any more.
    private(set) var isPruned = false
    var state: ItemState
    var claims = 0
    var attempts = 0
    var kills = 0
    /// Above 0: the largest batch in which it may be claimed.
    var suspect = 0
    /// Whether it was delayed, prioritised, suspected, failed or handed back alone: such items are handed out first.
    var isOffPath: Bool
    /// When a waiting item is due, in milliseconds of the wall clock; of one behind another of its group, when its turn
    /// has come.
    var visibleAt: Int64
    /// Whether it waits for another of its group.
    var isBehind = false
    var lease: LeaseID?
    var reason: String?
    /// Raised by every change of state; an index entry with another stamp is void.
    var stamp = 0

    init(_ output: Output, group: String?, isBehind: Bool, origin: StageName?, wallClock: Int64) {
        payload = output.payload
        key = output.key
        self.group = group
        self.isBehind = isBehind
        headers = output.headers
        self.origin = origin
        parent = output.parent
        priority = output.priority
        createdAt = wallClock
        let due = output.due.time(at: wallClock)
        state = isBehind || due != nil ? .waiting : .ready
        isOffPath = due != nil || output.priority > 0
        visibleAt = due ?? 0
    }

    /// Forgets what it was.
    mutating func prune() {
        isPruned = true
        payload = .text("")
        key = nil
    }
}

/// How many items of a queue are in each state, kept as they change so that completion needs no counting.
struct MemoryCounts: Sendable, Equatable {
    private var ready: Int64 = 0
    private var waiting: Int64 = 0
    private var leased: Int64 = 0
    private var done: Int64 = 0
    private var dead: Int64 = 0
    private var skipped: Int64 = 0
    private var superseded: Int64 = 0

    subscript(state: ItemState) -> Int64 {
        get {
            switch state {
            case .ready: ready
            case .waiting: waiting
            case .leased: leased
            case .done: done
            case .dead: dead
            case .skipped: skipped
            case .superseded: superseded
            }
        }
        set {
            switch state {
            case .ready: ready = newValue
            case .waiting: waiting = newValue
            case .leased: leased = newValue
            case .done: done = newValue
            case .dead: dead = newValue
            case .skipped: skipped = newValue
            case .superseded: superseded = newValue
            }
        }
    }

    var unsettled: Int64 { ready + waiting + leased }
    /// Settled items that are still part of the queue's story: what a tolerance is a share of.
    var settled: Int64 { done + dead + skipped }
}

/// A claim on items of one queue.
///
/// An item is in it as long as the item names it; the list only says where to look.
struct MemoryLease: Sendable {
    let id: LeaseID
    let stage: Int
    let queue: Int
    let worker: WorkerID
    let taken: [ItemID]
    /// How many it still holds.
    var remaining: Int
    /// How many suspects it was claimed with; 0 if its items were none.
    let suspect: Int
    /// When it ends by itself; `nil` if it lives as long as its worker.
    var expiry: MemoryExpiry?
}

/// When a lease ends by itself, by the clock that cannot jump.
struct MemoryExpiry: Sendable {
    let instant: Int64
    let boot: String

    init(after duration: Duration, at moment: MemoryMoment) {
        instant = moment.instant + duration.nanoseconds
        boot = moment.boot
    }

    func isOver(at moment: MemoryMoment) -> Bool { boot != moment.boot || instant <= moment.instant }
    /// The same in milliseconds of the wall clock.
    func wallClock(at moment: MemoryMoment) -> Int64 {
        moment.wallClock + (instant - moment.instant + 999_999) / 1_000_000
    }
}
