/// The unsettled items of one group: the one whose turn it is, and those behind it.
struct MemoryGroup: Sendable {
    private var turn: ItemID?
    private var others = MemoryHeap<ItemID>()
    /// Of those behind, which have been settled out of turn.
    private var gone: Set<ItemID> = []

    var isEmpty: Bool { turn == nil }
    var behind: Int { others.elements.count - gone.count }

    /// - Returns: whether it is the item's turn.
    mutating func join(_ id: ItemID) -> Bool {
        if turn == nil || turn == id {
            turn = id
            return true
        }
        others.insert(id)
        return false
    }

    /// - Returns: whose turn it is now, if that has changed.
    mutating func leave(_ id: ItemID) -> ItemID? {
        guard turn == id else {
            gone.insert(id)
            return nil
        }
        turn = nil
        while let next = others.removeFirst() {
            if gone.remove(next) != nil { continue }
            turn = next
            break
        }
        return turn
    }
}
