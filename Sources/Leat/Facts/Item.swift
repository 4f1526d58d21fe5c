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

    public init(id: ItemID, payload: Payload, claims: Int, attempts: Int, generation: Int) {
        self.id = id
        self.payload = payload
        self.claims = claims
        self.attempts = attempts
        self.generation = generation
    }
}

/// An item to be put into a queue.
public struct Output: Sendable, Hashable {
    public var queue: QueueName
    public var payload: Payload
    /// The input that it was made from (lineage).
    public var parent: ItemID?
    /// Unique among the queue's items: a second put under the same key does nothing.
    public var key: String?
    /// The item is handed out no earlier than this.
    public var delay: Duration
    /// Higher first. 0 is the straight path's; lower is refused.
    public var priority: Int

    public init(
        _ payload: Payload,
        to queue: QueueName,
        parent: ItemID? = nil,
        key: String? = nil,
        delay: Duration = .zero,
        priority: Int = 0
    ) {
        precondition(priority >= 0, "a priority is 0 or more")
        self.queue = queue
        self.payload = payload
        self.parent = parent
        self.key = key
        self.delay = delay
        self.priority = priority
    }
}

/// Where an item is in its life. The words are those of the `items_…` views.
public enum ItemState: String, Sendable, Hashable, Codable, CaseIterable {
    /// May be claimed.
    case ready
    /// Delayed, or backing off.
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
    public let reason: String?

    public init(
        id: ItemID, payload: Payload, key: String?, origin: StageName?, parent: ItemID?, state: ItemState,
        claims: Int?, attempts: Int, kills: Int, suspect: Int, priority: Int, reason: String?
    ) {
        self.id = id
        self.payload = payload
        self.key = key
        self.origin = origin
        self.parent = parent
        self.state = state
        self.claims = claims
        self.attempts = attempts
        self.kills = kills
        self.suspect = suspect
        self.priority = priority
        self.reason = reason
    }
}
