/// One queue: its items in the order of their ids, and indexes of those that may be claimed.
///
/// ``change(_:to:_:)`` is the only way to another state, so counts and indexes always agree with the items.
struct MemoryQueue: Sendable {
    let name: QueueName
    /// Whether its set of producers is complete.
    var isSealed: Bool
    /// Kept beside the completions that it follows from; ``MemoryState/verify()`` holds them together.
    var isClosed = false
    /// How many items were put from outside the pipeline.
    var putFromOutside: Int64 = 0
    private(set) var counts = MemoryCounts()
    /// How many of those that are done are only counted.
    private(set) var pruned: Int64 = 0
    private var items: [MemoryItem] = []
    private var keys: [String: ItemID] = [:]
    private var groups: [String: MemoryGroup] = [:]
    /// How many wait for another of their group.
    private(set) var behind: Int64 = 0
    private var ready = MemoryHeap<ReadyEntry>()
    private var suspects = MemoryHeap<ReadyEntry>()
    private var waiting = MemoryHeap<WaitingEntry>()

    /// Where a ready item stands in the order of claims.
    private struct ReadyEntry: Comparable, Sendable {
        let priority: Int
        let isOffPath: Bool
        let id: ItemID
        let stamp: Int

        static func < (left: Self, right: Self) -> Bool {
            if left.priority != right.priority { return left.priority > right.priority }
            if left.isOffPath != right.isOffPath { return left.isOffPath }
            return left.id < right.id
        }
    }

    private struct WaitingEntry: Comparable, Sendable {
        let visibleAt: Int64
        let id: ItemID
        let stamp: Int

        static func < (left: Self, right: Self) -> Bool {
            (left.visibleAt, left.id) < (right.visibleAt, right.id)
        }
    }

    init(_ name: QueueName, isSealed: Bool = true) {
        self.name = name
        self.isSealed = isSealed
    }

    var ids: Range<Int64> { 1..<Int64(items.count) + 1 }

    /// The item, if the queue has one of that number.
    subscript(id: ItemID) -> MemoryItem? {
        guard ids.contains(id.rawValue), !items[Int(id.rawValue) - 1].isPruned else { return nil }
        return items[Int(id.rawValue) - 1]
    }

    /// The lease that an item is in; read alone, since a whole item is dear to copy.
    func lease(of id: ItemID) -> LeaseID? {
        ids.contains(id.rawValue) ? items[Int(id.rawValue) - 1].lease : nil
    }

    /// All items in one state. O(n): for orders and observers, never for a claim.
    func ids(in state: ItemState) -> [ItemID] {
        items.indices.lazy.filter { items[$0].state == state && !items[$0].isPruned }.map { ItemID(Int64($0) + 1) }
    }

    /// - Returns: whether it was new; an item under a key that stands is left out.
    /// - Parameter hasGroups: whether items wait for others of their group.
    mutating func insert(_ output: Output, hasGroups: Bool, origin: StageName?, wallClock: Int64) -> Bool {
        let id = ItemID(Int64(items.count) + 1)
        if let key = output.key {
            guard keys[key] == nil else { return false }
            keys[key] = id
        }
        let group = hasGroups ? output.group : nil
        let isBehind = group.map { groups[$0, default: MemoryGroup()].join(id) } == false
        if isBehind { behind += 1 }
        let item = MemoryItem(output, group: group, isBehind: isBehind, origin: origin, wallClock: wallClock)
        items.append(item)
        counts[item.state] += 1
        if origin == nil { putFromOutside += 1 }
        file(item, id)
        return true
    }

    /// Puts an item into a state, after `edit` has changed what goes with it.
    mutating func change(_ id: ItemID, to state: ItemState, _ edit: (inout MemoryItem) -> Void = { _ in }) {
        guard ids.contains(id.rawValue) else { return }
        let index = Int(id.rawValue) - 1
        let wasSettled = items[index].state.isSettled
        var state = state
        if let group = items[index].group, wasSettled, !state.isSettled {
            items[index].visibleAt = 0
            if !groups[group, default: MemoryGroup()].join(id) {
                items[index].isBehind = true
                behind += 1
                state = .waiting
            }
        }
        defer { if !wasSettled, state.isSettled { leaveGroup(id) } }
        counts[items[index].state] -= 1
        counts[state] += 1
        items[index].state = state
        items[index].stamp += 1
        if state != .leased { items[index].lease = nil }
        edit(&items[index])
        file(items[index], id)
    }

    /// Gives the next item of its group its turn.
    private mutating func leaveGroup(_ id: ItemID) {
        let index = Int(id.rawValue) - 1
        guard let group = items[index].group else { return }
        if items[index].isBehind {
            items[index].isBehind = false
            behind -= 1
        }
        guard let next = groups[group]?.leave(id) else {
            if groups[group]?.isEmpty == true { groups[group] = nil }
            return
        }
        behind -= 1
        change(next, to: items[Int(next.rawValue) - 1].visibleAt > 0 ? .waiting : .ready) { $0.isBehind = false }
    }

    /// Forgets items that are done and were put by then, the oldest first. O(n).
    ///
    /// - Returns: how many.
    mutating func prune(putBy cutoff: Int64, upTo limit: Int) -> Int {
        let old = ids(in: .done).map { Int($0.rawValue) - 1 }.filter { items[$0].createdAt <= cutoff }
        let chosen = old.prefix(limit)
        for index in chosen {
            if let key = items[index].key { keys[key] = nil }
            items[index].prune()
        }
        pruned += Int64(chosen.count)
        return chosen.count
    }

    /// Makes ready what is due.
    mutating func promote(wallClock: Int64) {
        while let next = earliest(), next.visibleAt <= wallClock {
            waiting.removeFirst()
            change(next.id, to: .ready)
        }
    }

    /// Whether what would be handed out next is under suspicion.
    mutating func isSuspectNext() -> Bool {
        guard let suspect = firstSuspect() else { return false }
        return firstReady().map { suspect < $0 } ?? true
    }

    /// When the next waiting item is due.
    mutating func nextDue() -> Int64? { earliest()?.visibleAt }

    /// Takes ready items into a lease, in order: suspects or others, never both.
    ///
    /// Suspects are taken in a batch as small as the most suspect of them asks for. None of a lower priority is taken
    /// while one of a higher is left, of either kind.
    ///
    /// - Parameter suspectsFirst: whether suspects are taken before all others.
    mutating func take(
        upTo limit: Int, suspectsToo: Bool, suspectsFirst: Bool, into lease: LeaseID
    ) -> (ids: [ItemID], areSuspects: Bool) {
        var taken: [ItemID] = []
        let plain = firstReady()
        let suspect = suspectsToo ? firstSuspect() : nil
        if let suspect, suspectsFirst || plain.map({ suspect < $0 }) ?? true {
            var most = limit
            while let next = firstSuspect(), suspectsFirst || next.priority >= plain?.priority ?? 0 {
                most = min(most, items[Int(next.id.rawValue) - 1].suspect)
                guard taken.count < most else { break }
                suspects.removeFirst()
                lend(next.id, to: lease)
                taken.append(next.id)
            }
            return (taken, true)
        }
        while taken.count < limit, let next = firstReady(), next.priority >= suspect?.priority ?? 0 {
            ready.removeFirst()
            lend(next.id, to: lease)
            taken.append(next.id)
        }
        return (taken, false)
    }

    /// Takes one item into a lease.
    mutating func lend(_ id: ItemID, to lease: LeaseID) {
        change(id, to: .leased) {
            $0.claims += 1
            $0.lease = lease
        }
    }

    private mutating func file(_ item: MemoryItem, _ id: ItemID) {
        if item.state == .ready {
            let entry = ReadyEntry(priority: item.priority, isOffPath: item.isOffPath, id: id, stamp: item.stamp)
            if item.suspect > 0 { suspects.insert(entry) } else { ready.insert(entry) }
        } else if item.state == .waiting, !item.isBehind {
            waiting.insert(WaitingEntry(visibleAt: item.visibleAt, id: id, stamp: item.stamp))
        }
    }

    private mutating func firstReady() -> ReadyEntry? {
        while let first = ready.first, !isCurrent(first.id, first.stamp) { ready.removeFirst() }
        return ready.first
    }

    private mutating func firstSuspect() -> ReadyEntry? {
        while let first = suspects.first, !isCurrent(first.id, first.stamp) { suspects.removeFirst() }
        return suspects.first
    }

    private mutating func earliest() -> WaitingEntry? {
        while let first = waiting.first, !isCurrent(first.id, first.stamp) { waiting.removeFirst() }
        return waiting.first
    }

    private func isCurrent(_ id: ItemID, _ stamp: Int) -> Bool { items[Int(id.rawValue) - 1].stamp == stamp }
}

extension MemoryQueue {
    /// What the items say, counted anew.
    func recount() -> MemoryCounts {
        items.reduce(into: MemoryCounts()) { $0[$1.state] += 1 }
    }

    /// How many items each stage has put, counted anew; those from outside under `nil`.
    func countByOrigin() -> [StageName?: Int64] {
        items.reduce(into: [:]) { $0[$1.origin, default: 0] += 1 }
    }

    /// How many ready and waiting items the indexes would hand out.
    func countIndexed() -> Int64 {
        let entries = ready.elements + suspects.elements
        let current = entries.count { isCurrent($0.id, $0.stamp) }
        let behind = groups.values.reduce(0) { $0 + $1.behind }
        return Int64(current + waiting.elements.count { isCurrent($0.id, $0.stamp) } + behind)
    }
}
