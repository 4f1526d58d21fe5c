/// What holds for a queue on its own: how often and how soon a failed item is tried again, and what becomes of done ones.
public struct QueuePolicy: Sendable, Hashable {
    public var retry: RetryPolicy
    public var keep: Keep
    /// When the queue stops handing out since its items die; by default never. Then ``Queue/claim(upTo:for:waiting:)``
    /// throws ``LeatError/Code/tripped`` until `leat restart`.
    public var breaker: Breaker
    /// How many items are claimed in a time, by all who claim; `nil`: as many as they like.
    public var rate: Rate?

    public init(
        retry: RetryPolicy = RetryPolicy(), keep: Keep = .all, breaker: Breaker = .off, rate: Rate? = nil
    ) {
        self.retry = retry
        self.keep = keep
        self.breaker = breaker
        self.rate = rate
    }

    package var ofStage: StagePolicy { StagePolicy(retry: retry, breaker: breaker, rate: rate, keep: keep) }
}
