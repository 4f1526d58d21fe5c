/// What holds for a queue on its own: how often and how soon a failed item is tried again, and what becomes of done ones.
public struct QueuePolicy: Sendable, Hashable {
    public var retry: RetryPolicy
    public var keep: Keep
    /// When the queue stops handing out since its items die; by default never. Then ``Queue/claim(upTo:for:waiting:)``
    /// throws ``LeatError/Code/tripped`` until `leat restart`.
    public var breaker: Breaker
    /// How many items are claimed in a time, by all who claim; `nil`: as many as they like.
    public var rate: Rate?
    /// How many unsettled items it may hold before a put waits for room; `nil`: any number. It is looked at before the put,
    /// so what one puts may exceed it. What does not wait: a put inside your own transaction, one by whoever works on an item of
    /// the same queue, and a recurring producer's.
    public var capacity: Int?
    /// What puts, claims and settlements survive.
    public var durability: Durability

    public init(
        retry: RetryPolicy = RetryPolicy(), keep: Keep = .all, breaker: Breaker = .off, rate: Rate? = nil,
        capacity: Int? = nil, durability: Durability = .powerCut
    ) {
        self.retry = retry
        self.keep = keep
        self.breaker = breaker
        self.rate = rate
        self.capacity = capacity
        self.durability = durability
    }

    package var ofStage: StagePolicy {
        StagePolicy(
            retry: retry, breaker: breaker, capacity: capacity, rate: rate, keep: keep, durability: durability)
    }
}
