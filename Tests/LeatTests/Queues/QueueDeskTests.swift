import LeatTesting
import Testing

@testable import Leat

@Suite("What a service on a queue does next")
struct QueueDeskTests {
    @Test("claims as many as it has places, and waits when all are taken")
    func places() {
        var desk = QueueDesk(places: 3)

        #expect(desk.next() == .claim(upTo: 3))
        desk.answered(.granted(2))
        #expect(desk.next() == .claim(upTo: 1))
        desk.answered(.granted(1))
        #expect(desk.next() == .wait)
        desk.handled()
        #expect(desk.next() == .claim(upTo: 1))
    }

    @Test("looks out once when nothing is ready, and claims again after that or after a handler")
    func looks() {
        var desk = QueueDesk(places: 2)
        desk.answered(.granted(1))
        desk.answered(.empty(dueIn: .seconds(1)))

        #expect(desk.next() == .look(due: .seconds(1)))
        #expect(desk.next() == .wait)
        desk.handled()
        #expect(desk.next() == .claim(upTo: 2))
        desk.answered(.empty(dueIn: nil))
        #expect(desk.next() == .wait)
        desk.looked()
        #expect(desk.next() == .claim(upTo: 2))
        desk.answered(.empty(dueIn: nil))
        #expect(desk.next() == .look(due: nil))
    }

    @Test("asks again whether the queue is finished when what was in hand is not")
    func finishes() {
        var desk = QueueDesk(places: 2)
        desk.answered(.granted(1))
        desk.answered(.finished)

        #expect(desk.next() == .wait)
        desk.handled()
        #expect(desk.next() == .claim(upTo: 2))
        desk.answered(.finished)
        #expect(desk.next() == .finish)
    }

    @Test("claims no more after a stop, and ends when nothing is in hand and nobody looks out")
    func stops() {
        var desk = QueueDesk(places: 2)
        desk.answered(.granted(1))
        desk.answered(.empty(dueIn: nil))
        _ = desk.next()

        desk.stop()
        #expect(desk.next() == .wait)
        desk.handled()
        #expect(desk.next() == .wait)
        desk.looked()
        #expect(desk.next() == .finish)
    }

    @Test(
        "never claims more than its places, loses no place, and always comes to its end",
        arguments: 0..<200 as Range<UInt64>)
    func walks(seed: UInt64) {
        var chance = SeededGenerator(seed: seed)
        let places = Int.random(in: 1...4, using: &chance)
        var desk = QueueDesk(places: places)
        var (taken, looking, left) = (0, 0, Int.random(in: 0...20, using: &chance))
        var isOver = false
        for step in 0..<400 {
            switch desk.next() {
            case .claim(let limit):
                #expect(limit >= 1 && taken + limit <= places)
                let count = min(limit, left, Int.random(in: 0...limit, using: &chance))
                if count > 0 {
                    taken += count
                    left -= count
                    desk.answered(.granted(count))
                } else {
                    desk.answered(left == 0 && step > 200 ? .finished : .empty(dueIn: nil))
                }
            case .look:
                looking += 1
                #expect(looking == 1)
            case .wait:
                #expect(taken + looking > 0, "it waits, and nothing can come")
                if looking > 0, taken == 0 || Bool.random(using: &chance) {
                    looking -= 1
                    desk.looked()
                } else {
                    taken -= 1
                    desk.handled()
                }
            case .finish: isOver = true
            }
            if isOver { break }
        }
        #expect(isOver && taken == 0 && left == 0)
    }
}
