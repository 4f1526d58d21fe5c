import LeatTesting
import Testing

@testable import Leat

private func lease(_ id: Int64, _ items: ClosedRange<Int64>, isSuspect: Bool = false) -> Lease {
    Lease(
        id: LeaseID(id), stage: "work", worker: WorkerID(1),
        items: items.map { Item(id: ItemID($0), payload: .text(""), claims: 1, attempts: 0, generation: 0) },
        isSuspect: isSuspect)
}

@Suite("The items in a worker's hands")
struct ItemsInHandTests {
    private var hand = ItemsInHand(places: 2, isOrdered: false)
    private let late = ItemsInHand.patience.nanoseconds

    private mutating func begin() -> Int64? { hand.begin()?.item.id.rawValue }

    private mutating func end(_ lease: Int64, _ place: Int, at instant: Int64 = 0) {
        hand.end(LeaseID(lease), place, .success([]), at: instant)
    }

    private mutating func settle(at instant: Int64 = 0, isLast: Bool = false) -> String? {
        hand.settle(at: instant, isLast: isLast).map { settlement in
            let ended = settlement.ended.map { "\($0.item.id)" }.joined(separator: " ")
            let rest =
                settlement.notBegun.isEmpty
                ? "" : ", not \(settlement.notBegun.map { "\($0.id)" }.joined(separator: " "))"
            return "\(settlement.lease.id): \(ended)\(rest)\(settlement.isWhole ? ", whole" : "")"
        }
    }

    @Test("are begun in their order, as many at once as there are places")
    mutating func places() {
        hand.take(lease(1, 1...3))
        #expect(begin() == 1)
        #expect(begin() == 2)
        #expect(begin() == nil)
        #expect(hand.isShort)
        hand.take(lease(2, 7...9))
        #expect(!hand.isShort)
        end(1, 1)
        #expect(begin() == 3)
        #expect(hand.running == 2)
        end(1, 0)
        #expect(begin() == 7)
    }

    @Test("are committed lease by lease in the order of claims, as long as nothing is late")
    mutating func inOrder() {
        hand.take(lease(1, 1...2))
        hand.take(lease(2, 3...4))
        _ = (begin(), begin())
        end(1, 1)
        #expect(settle() == nil)
        #expect(begin() == 3)
        end(2, 0)
        #expect(begin() == 4)
        end(2, 1)
        // The second lease is through, the first is not.
        #expect(settle(at: late - 1) == nil)
        end(1, 0, at: late - 1)
        #expect(settle(at: late - 1) == "1: 1 2, whole")
        #expect(settle(at: late - 1) == "2: 3 4, whole")
        #expect(settle(at: late - 1) == nil)
        #expect(hand.isEmpty)
    }

    @Test("do not wait for a slow one for longer than a tenth of a second")
    mutating func slowOne() {
        hand.take(lease(1, 1...3))
        _ = (begin(), begin())
        end(1, 1, at: 10)
        _ = begin()
        #expect(hand.wait(at: 10) == ItemsInHand.patience)
        #expect(settle(at: 10 + late) == "1: 2")
        #expect(hand.wait(at: 10 + late) == nil)
        end(1, 2, at: 20 + late)
        end(1, 0, at: 30 + late)
        #expect(settle(at: 30 + late) == "1: 1 3")
        #expect(hand.isEmpty)
    }

    @Test("are committed in their order where that is wanted, however long the first takes")
    mutating func ordered() {
        hand = ItemsInHand(places: 2, isOrdered: true)
        hand.take(lease(1, 1...3))
        hand.take(lease(2, 4...40))
        _ = (begin(), begin())
        for place in 1...2 {
            end(1, place, at: 10)
            _ = begin()
        }
        for place in 0..<14 {
            #expect(hand.isShort == (place >= 36 - 2))
            end(2, place, at: 20)
            _ = begin()
        }
        #expect(!hand.isShort)
        #expect(settle(at: 50 * late) == nil)
        end(1, 0, at: 50 * late)
        #expect(settle(at: 50 * late) == "1: 1 2 3, whole")
        #expect(settle(at: 50 * late) == "2: 4 5 6 7 8 9 10 11 12 13 14 15 16 17")
        #expect(settle(at: 99 * late) == nil)
    }

    @Test("are handed back when they are not to be begun")
    mutating func handedBack() {
        hand.take(lease(1, 1...4))
        _ = (begin(), begin())
        end(1, 0)
        end(1, 1)
        #expect(settle(isLast: true) == "1: 1 2, not 3 4, whole")
        hand.take(lease(2, 5...6))
        #expect(settle(isLast: true) == "2: , not 5 6, whole")
        #expect(hand.isEmpty)
        #expect(hand.unbegun == 0)
    }

    @Test(
        "are each begun once and committed once, whatever the order in which they end",
        arguments: 0..<100 as Range<UInt64>)
    func random(seed: UInt64) {
        var chance = SeededGenerator(seed: seed)
        let isOrdered = Bool.random(using: &chance)
        var hand = ItemsInHand(places: Int.random(in: 1...6, using: &chance), isOrdered: isOrdered)
        var running: [(LeaseID, Int, ItemID)] = []
        var (begun, settled): ([ItemID], [ItemID]) = ([], [])
        var (leases, items): (Int64, Int64) = (0, 0)
        var now: Int64 = 0
        while leases < 20 || !running.isEmpty || !hand.isEmpty {
            now += Int64.random(in: 0...60_000_000, using: &chance)
            if leases < 20, hand.isShort {
                leases += 1
                let count = Int64.random(in: 1...8, using: &chance)
                hand.take(lease(leases, items + 1...items + count))
                items += count
            }
            while let next = hand.begin() {
                running.append((next.lease, next.place, next.item.id))
                begun.append(next.item.id)
            }
            while let settlement = hand.settle(at: now) { settled += settlement.ended.map(\.item.id) }
            guard !running.isEmpty else { continue }
            let ended = running.remove(at: Int.random(in: 0..<running.count, using: &chance))
            hand.end(ended.0, ended.1, .success([]), at: now)
            while let settlement = hand.settle(at: now) { settled += settlement.ended.map(\.item.id) }
        }
        #expect(begun == (1...items).map { ItemID($0) })
        #expect((isOrdered ? settled : settled.sorted()) == begun)
    }
}
