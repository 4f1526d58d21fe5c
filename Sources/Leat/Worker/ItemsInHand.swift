/// The items that a worker has claimed and works on side by side: which are begun, which are through, and what is to be
/// committed when.
///
/// Its decisions, apart from the store, the tasks and the clock. What was claimed together is committed together, in the
/// order of the claims, as long as nothing takes long. What is through waits for others of its lease for twenty
/// milliseconds at most; where the order of outputs is to be that of their items, for all before it, however long they take.
struct ItemsInHand {
    typealias Outputs = Result<[Output], any Error>

    /// What is to be committed under one lease.
    struct Settlement {
        let lease: Lease
        /// In the order of the lease.
        var ended: [(item: Item, result: Outputs)]
        /// Handed back, since they are not to be begun.
        var notBegun: [Item] = []
        /// Whether the lease holds nothing else.
        var isWhole: Bool
    }

    private struct Hand {
        let lease: Lease
        var begun = 0
        var running = 0
        var settled = 0
        /// By the place in the lease; through, and not committed.
        var ended: [Int: Outputs] = [:]
        /// Since when the first of them waits; nanoseconds.
        var waitingSince: Int64?

        /// Those that may be committed although others before them are not through.
        func ripe(inOrder: Bool) -> [Int] {
            let places = ended.keys.sorted()
            return inOrder ? Array(zip(places, settled...).prefix { $0 == $1 }.map(\.0)) : places
        }

        var isThrough: Bool { begun == lease.items.count && running == 0 }
    }

    /// How long what is through may wait for the rest of its lease.
    static let patience = Duration.milliseconds(20)

    private let places: Int
    private let isOrdered: Bool
    /// In the order of their claims.
    private var hands: [Hand] = []
    private(set) var running = 0
    private(set) var unbegun = 0

    /// - Parameters:
    ///   - places: how many items are worked on at once.
    ///   - isOrdered: whether items are to be committed in their order.
    init(places: Int, isOrdered: Bool) {
        self.places = places
        self.isOrdered = isOrdered
    }

    /// Whether less is at hand than there are places: then more is to be claimed, before a place stands empty. Not when
    /// eight times as many are through already and wait for one before them.
    var isShort: Bool { unbegun < places && (!isOrdered || through < places * 8) }
    private var through: Int { hands.reduce(0) { $0 + $1.ended.count } }
    var isSuspect: Bool { hands.contains { $0.lease.isSuspect } }
    var isEmpty: Bool { hands.isEmpty }

    mutating func take(_ lease: Lease) {
        hands.append(Hand(lease: lease))
        unbegun += lease.items.count
    }

    /// The next item to be begun, if a place is free.
    mutating func begin() -> (lease: LeaseID, place: Int, item: Item)? {
        guard running < places, let index = hands.firstIndex(where: { $0.begun < $0.lease.items.count }) else {
            return nil
        }
        let place = hands[index].begun
        hands[index].begun += 1
        hands[index].running += 1
        running += 1
        unbegun -= 1
        return (hands[index].lease.id, place, hands[index].lease.items[place])
    }

    mutating func end(_ lease: LeaseID, _ place: Int, _ result: Outputs, at instant: Int64) {
        running -= 1
        guard let index = hands.firstIndex(where: { $0.lease.id == lease }) else { return }
        hands[index].running -= 1
        hands[index].ended[place] = result
        if hands[index].waitingSince == nil { hands[index].waitingSince = instant }
    }

    /// Forgets a lease that was taken away: what runs under it is let run, and its results are nobody's.
    mutating func drop(_ lease: LeaseID) {
        guard let index = hands.firstIndex(where: { $0.lease.id == lease }) else { return }
        unbegun -= hands[index].lease.items.count - hands[index].begun
        hands.remove(at: index)
    }

    /// What is to be committed now; asked for until there is nothing more.
    ///
    /// - Parameter isLast: whether nothing more is begun and nothing runs any more.
    mutating func settle(at instant: Int64, isLast: Bool = false) -> Settlement? {
        for index in hands.indices {
            if isOrdered, !isLast, index > 0 { return nil }
            let hand = hands[index]
            let isLate = hand.waitingSince.map { instant - $0 >= Self.patience.nanoseconds } ?? false
            guard isLast || isLate || (index == 0 && hand.isThrough) else { continue }
            let isWhole = isLast || hand.isThrough
            let ripe = hand.ripe(inOrder: isOrdered && !isWhole)
            if ripe.isEmpty, !isWhole { continue }
            var settlement = Settlement(
                lease: hand.lease,
                ended: ripe.compactMap { place in
                    hand.ended[place].map { (hand.lease.items[place], $0) }
                },
                isWhole: isWhole && hand.settled == 0)
            if isLast {
                settlement.notBegun = Array(hand.lease.items[hand.begun...])
                unbegun -= settlement.notBegun.count
            }
            if isWhole {
                hands.remove(at: index)
            } else {
                hands[index].settled += ripe.count
                for place in ripe { hands[index].ended[place] = nil }
                hands[index].waitingSince = hands[index].ended.isEmpty ? nil : instant
            }
            return settlement
        }
        return nil
    }

    /// How long until something that is through has waited for long enough; `nil` when nothing waits.
    func wait(at instant: Int64) -> Duration? {
        (isOrdered ? hands.prefix(1) : hands[...]).compactMap(\.waitingSince).min().map {
            max(.milliseconds(1), Self.patience - .nanoseconds(instant - $0))
        }
    }
}
