/// Which shard a producer's worker tries next.
///
/// Several workers go round the same shards; each runs those that no other has. A
/// stage that comes after others is a producer with one shard.
struct ShardTour {
    enum Action: Equatable {
        case open(ShardName)
        /// All that is left is live elsewhere, or not due yet.
        case rest
        /// Every shard is complete.
        case finish
        case fail(reason: String)
    }

    private var pending: [ShardName]
    /// How many of the pending were tried in vain since the last one that could be opened.
    private var vain = 0
    private var reason: String?

    init(_ shards: [ShardName]) { pending = shards }

    func next() -> Action {
        if let reason { return .fail(reason: reason) }
        guard let first = pending.first else { return .finish }
        return vain < pending.count ? .open(first) : .rest
    }

    /// The shard can't be run now.
    mutating func refused(_ opening: ShardOpening) {
        switch opening {
        case .complete: completed()
        case .live, .notYet:
            vain += 1
            turn()
        case .refused(let why): reason = why
        case .opened: break
        }
    }

    /// The shard that was opened has come to its end.
    mutating func completed() {
        pending.removeFirst()
        vain = 0
    }

    /// The shard that was opened failed or was taken over: the others first, then it again.
    mutating func gaveUp() {
        turn()
        vain = 0
    }

    /// Something may have changed meanwhile.
    mutating func rested() { vain = 0 }

    private mutating func turn() { pending.append(pending.removeFirst()) }
}
