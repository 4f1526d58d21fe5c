import LeatTesting
import Testing

@testable import Leat

@Suite("What a worker does next")
struct ClaimActionTests {
    private let lease = Lease(id: LeaseID(1), stage: "s", worker: WorkerID(1), items: [], isSuspect: false)

    @Test("follows from the store's answer")
    func goesOn() {
        #expect(ClaimAction.after(.granted(lease), isStopping: false) == .work(lease))
        #expect(ClaimAction.after(.nothing(until: 7), isStopping: false) == .rest(until: 7))
        #expect(ClaimAction.after(nil, isStopping: false) == .claim)
        #expect(ClaimAction.after(.finished, isStopping: false) == .finish)
        #expect(ClaimAction.after(.refused(reason: "r"), isStopping: false) == .fail(reason: "r"))
    }

    @Test("hands back what is not begun when a stop is asked for")
    func stops() {
        #expect(ClaimAction.after(.granted(lease), isStopping: true) == .handBack(lease))
        #expect(ClaimAction.after(.nothing(until: nil), isStopping: true) == .stop)
        #expect(ClaimAction.after(nil, isStopping: true) == .stop)
        #expect(ClaimAction.after(.finished, isStopping: true) == .finish)
    }
}

@Suite("A tour of shards")
struct ShardTourTests {
    @Test("opens one after another and finishes behind the last")
    func all() {
        var tour = ShardTour(["a", "b"])

        #expect(tour.next() == .open("a"))
        tour.completed()
        #expect(tour.next() == .open("b"))
        tour.refused(.complete)
        #expect(tour.next() == .finish)
    }

    @Test("tries the others before it rests, and all of them after")
    func live() {
        var tour = ShardTour(["a", "b"])

        tour.refused(.live(WorkerID(9)))
        #expect(tour.next() == .open("b"))
        tour.refused(.live(WorkerID(9)))
        #expect(tour.next() == .rest)
        tour.rested()
        #expect(tour.next() == .open("a"))
    }

    @Test("comes back to a shard that failed, behind the others")
    func gaveUp() {
        var tour = ShardTour(["a", "b"])

        tour.gaveUp()
        #expect(tour.next() == .open("b"))
        tour.completed()
        #expect(tour.next() == .open("a"))
    }

    @Test("fails with its stage")
    func refused() {
        var tour = ShardTour(["a", "b"])

        tour.refused(.refused(reason: "tripped"))
        #expect(tour.next() == .fail(reason: "tripped"))
    }
}

@Suite("A pulse")
struct PulseTests {
    @Test("does not blame a call for the time in which the whole process stood still")
    func stoodStill() {
        let pulse = Pulse(heartbeat: .seconds(1), timeout: .seconds(2))
        let now = SuspendingClock.now

        #expect(pulse.stoodStill(from: now, to: now + .milliseconds(500)) == nil)
        #expect(pulse.stoodStill(from: now, to: now + .milliseconds(990)) == nil)
        #expect(pulse.stoodStill(from: now, to: now + .seconds(60)) == .milliseconds(59_500))
    }

    @Test("looks more often than it beats when the timeout is short")
    func pause() {
        #expect(Pulse(heartbeat: .seconds(1), timeout: .seconds(60)).pause == .seconds(1))
        #expect(Pulse(heartbeat: .seconds(1), timeout: .seconds(2)).pause == .milliseconds(500))
        #expect(Pulse(heartbeat: .seconds(1), timeout: .milliseconds(1)).pause == .milliseconds(10))
    }

    @Test("beats at once, then once a heartbeat, however often it wakes")
    func beats() {
        var pulse = Pulse(heartbeat: .seconds(1), timeout: .seconds(1))
        let start = SuspendingClock.now

        let beats = (0...8).filter { pulse.isDue(at: start + .milliseconds(250) * $0) }

        #expect(beats == [0, 4, 8])
    }

    @Test("reports a call that takes too long once")
    func news() {
        var pulse = Pulse(heartbeat: .seconds(1), timeout: .seconds(1))

        let news = [1, 1, 2].map { pulse.isNews(Activity.Overdue(serial: $0, item: nil, isInTransaction: false)) }

        #expect(news == [true, false, true])
    }
}

@Suite("An activity")
struct ActivityTests {
    private let item = Item(id: ItemID(7), payload: .text("x"), claims: 2, attempts: 1, generation: 3)

    @Test("begins its time anew when the call shows that it goes on, beside others too")
    func prolonged() {
        let time = ManualTime()
        let activity = Activity(stage: "s", queue: "q", runID: "run", time: time)
        let neighbour = Item(id: ItemID(8), payload: .text("y"), claims: 1, attempts: 0, generation: 0)
        let (own, other) = (activity.open(item), activity.open(neighbour))

        time.advance(by: .seconds(2))
        own.prolong()
        time.advance(by: .seconds(1))
        #expect(activity.overdue(.seconds(2))?.item == ItemID(8))
        activity.close(other)
        #expect(activity.overdue(.seconds(2)) == nil)
        time.advance(by: .seconds(2))
        #expect(activity.overdue(.seconds(2))?.item == ItemID(7))
        activity.close(own)

        // Nothing is in hand, and nothing is begun by it.
        activity.prolong()
        time.advance(by: .seconds(3))
        #expect(activity.overdue(.seconds(2)) == nil)
    }

    @Test("is overdue past its limit, with the item in hand, and not while it rests")
    func overdue() {
        let time = ManualTime()
        let activity = Activity(stage: "s", queue: "q", runID: "run", time: time)

        activity.begin(item)
        time.advance(by: .seconds(2))
        #expect(activity.overdue(.seconds(2)) == nil)
        time.advance(by: .milliseconds(1))
        #expect(activity.overdue(.seconds(2))?.item == ItemID(7))
        activity.rest()
        #expect(activity.overdue(.seconds(2)) == nil)
    }

    @Test("names a batch's item only when it is alone")
    func batch() {
        let time = ManualTime()
        let activity = Activity(stage: "s", queue: "q", runID: "run", time: time)
        activity.begin(batch: [item, item])
        time.advance(by: .seconds(3))

        #expect(activity.overdue(.seconds(2)) != nil)
        #expect(activity.overdue(.seconds(2))?.item == nil)
        #expect(activity.batchContext.count == 2)
    }

    @Test("gives the function its item's context, with a key that is stable over attempts")
    func context() {
        let activity = Activity(stage: "s", queue: "q", runID: "run", time: ManualTime())
        #expect(ItemContext.current == nil)

        Activity.$current.withValue(activity) {
            activity.begin(item)
            #expect(ItemContext.current?.idempotencyKey == "run/q/7/3")
            #expect(ItemContext.current?.attempt == 2)
        }
    }
}

@Suite("A bell")
struct BellTests {
    @Test("remembers a ring while nobody waits, once")
    func remembers() {
        let bell = Bell()
        bell.ring()

        #expect(bell.wait(for: .seconds(60)))
        #expect(!bell.wait(for: .milliseconds(1)))
    }

    @Test("wakes a thread that waits")
    func wakes() async throws {
        let (asked, answered) = (Bell(), AsyncStream.makeStream(of: Bool.self))
        try DedicatedThread.start {
            answered.continuation.yield(asked.wait(for: .seconds(60)))
            answered.continuation.finish()
        }
        asked.ring()

        #expect(await answered.stream.first { _ in true } == true)
    }
}
