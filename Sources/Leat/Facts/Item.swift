/// An item as its worker receives it: claimed, and held by a lease.
public struct Item: Sendable, Hashable, Identifiable {
    public let id: ItemID
    public let payload: Payload
    /// How often it has been claimed, this time included.
    public let claims: Int
    /// How often it was to blame before.
    public let attempts: Int
    /// Raised by a redo, so that the idempotency key of a repetition is another one.
    public let generation: Int
    /// When it was put, in milliseconds of the wall clock.
    public let createdAt: Int64
    /// What its putter sent along beside the payload: the context of a trace.
    public let headers: [String: String]

    public init(
        id: ItemID, payload: Payload, claims: Int, attempts: Int, generation: Int, createdAt: Int64 = 0,
        headers: [String: String] = [:]
    ) {
        self.id = id
        self.payload = payload
        self.claims = claims
        self.attempts = attempts
        self.generation = generation
        self.createdAt = createdAt
        self.headers = headers
    }
}

/// An item to be put into a queue.
public struct Output: Sendable, Hashable {
    public var queue: QueueName
    public var payload: Payload
    /// The input that it was made from (lineage).
    public var parent: ItemID?
    /// What most have nothing of, behind one reference: so the others are copied at half the price.
    private var box = Box.empty

    public init(
        _ payload: Payload,
        to queue: QueueName,
        parent: ItemID? = nil,
        key: String? = nil,
        group: String? = nil,
        due: Due = .now,
        priority: Int = 0,
        headers: [String: String] = [:]
    ) {
        precondition(priority >= 0, "a priority is 0 or more")
        self.queue = queue
        self.payload = payload
        self.parent = parent
        if key != nil || group != nil || due != .now || priority != 0 || !headers.isEmpty {
            box = .more(More(key: key, group: group, due: due, priority: priority, headers: headers))
        }
    }

    /// Unique among the queue's items: a second put under the same key does nothing.
    public var key: String? {
        get { more?.key }
        set { change { $0.key = newValue } }
    }
    /// Of the items of a group one is handed out at a time, in the order in which they were put. Means nothing in a
    /// queue that is taken as a whole.
    public var group: String? {
        get { more?.group }
        set { change { $0.group = newValue } }
    }
    public var due: Due {
        get { more?.due ?? .now }
        set { change { $0.due = newValue } }
    }
    /// Higher first. 0 is the straight path's; lower is refused.
    public var priority: Int {
        get { more?.priority ?? 0 }
        set { change { $0.priority = newValue } }
    }
    /// Goes with the item to whoever works on it, beside the payload: the context of a trace.
    public var headers: [String: String] {
        get { more?.headers ?? [:] }
        set { change { $0.headers = newValue } }
    }

    /// Whether it has nothing but its payload and its parent.
    package var isPlain: Bool { if case .empty = box { true } else { false } }

    private var more: More? { if case .more(let more) = box { more } else { nil } }

    private mutating func change(_ body: (inout More) -> Void) {
        var more = more ?? More()
        body(&more)
        box = more == More() ? .empty : .more(more)
    }

    private indirect enum Box: Sendable, Hashable {
        case empty
        case more(More)
    }

    private struct More: Sendable, Hashable {
        var key: String?
        var group: String?
        var due = Due.now
        var priority = 0
        var headers: [String: String] = [:]
    }
}

/// Where an item is in its life. The words are those of the `items_…` views.
public enum ItemState: String, Sendable, Hashable, Codable, CaseIterable {
    /// May be claimed.
    case ready
    /// Delayed, backing off, or behind another item of its group.
    case waiting
    /// Held by a worker's lease.
    case leased
    /// Acknowledged.
    case done
    /// Its attempts are used up, or its error was permanent.
    case dead
    /// Settled by an order, without effect.
    case skipped
    /// Replaced by a redo.
    case superseded

    /// Whether nothing more will happen to the item by itself.
    public var isSettled: Bool {
        switch self {
        case .ready, .waiting, .leased: false
        case .done, .dead, .skipped, .superseded: true
        }
    }
}

/// An item as an observer sees it.
public struct ItemRecord: Sendable, Hashable {
    public let id: ItemID
    public let payload: Payload
    public let key: String?
    public let group: String?
    public let origin: StageName?
    public let parent: ItemID?
    public let state: ItemState
    /// How often it has been claimed; `nil` for an item that went the straight path and is done, of which nothing
    /// more is kept.
    public let claims: Int?
    public let attempts: Int
    public let kills: Int
    /// Above 0: part of a batch that failed as a whole, to be claimed in batches of at most this many.
    public let suspect: Int
    public let priority: Int
    /// When it is due, while it waits for a time; milliseconds since 1970.
    public let dueAt: Int64?
    public let reason: String?

    public init(
        id: ItemID, payload: Payload, key: String?, group: String? = nil, origin: StageName?, parent: ItemID?,
        state: ItemState, claims: Int?, attempts: Int, kills: Int, suspect: Int, priority: Int, dueAt: Int64? = nil,
        reason: String?
    ) {
        self.id = id
        self.payload = payload
        self.key = key
        self.group = group
        self.origin = origin
        self.parent = parent
        self.state = state
        self.claims = claims
        self.attempts = attempts
        self.kills = kills
        self.suspect = suspect
        self.priority = priority
        self.dueAt = dueAt
        self.reason = reason
    }
}
