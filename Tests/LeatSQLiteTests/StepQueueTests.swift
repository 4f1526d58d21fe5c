import Leat
import Testing

@testable import LeatSQLite

@Suite("Steps that wait for the writer's connection")
struct StepQueueTests {
    let queue = StepQueue()

    /// A step that only waits.
    private final class Waiting: PendingStep, @unchecked Sendable {
        init(sharing: Sharing = .allowed) { super.init(durability: .powerCut, isWork: true, sharing: sharing) }
    }

    private func add(_ count: Int) -> [StepQueue.Call] { (0..<count).map { _ in queue.add(Waiting()) } }

    /// A transaction of all that wait; `coming`: how many come again while they are answered.
    private func take(coming: Int = 0) -> (count: Int, call: StepQueue.Call) {
        let group = queue.group()
        queue.willAnswer(group.count)
        #expect(add(coming).allSatisfy { $0 == .none })
        return (group.count, queue.release(after: .microseconds(200)))
    }

    /// When somebody is to look again, if that is what was asked for.
    private func time(_ call: StepQueue.Call?) -> Duration? {
        guard case .later(let time) = call else { return nil }
        return time
    }

    /// Eight that were committed together, so often that how long a transaction takes is known.
    private func eight(times: Int) {
        #expect(add(8) == [.onThread] + Array(repeating: .none, count: 7))
        for _ in 0..<times {
            #expect(take(coming: 8).count == 8)
        }
    }

    @Test("the first waits for as many as were committed together, and the last of them takes all")
    func crowd() {
        #expect(add(3) == [.onThread, .none, .none])
        #expect(take() == (3, .none))

        let calls = add(3)

        #expect(time(calls[0]) != nil)
        #expect(calls[1] == .none)
        #expect(calls[2] != .none, "all are there")
        #expect(take().count == 3)
    }

    @Test("a thread is held up for as long as is said, and no longer")
    func heldUp() {
        #expect(!queue.takeAlone(), "nobody knows how long it takes")
        _ = add(1)
        for _ in 0..<20 { _ = queue.release(after: .milliseconds(3)) }
        _ = queue.group()
        queue.willAnswer(1)
        _ = queue.release(after: .milliseconds(3))
        #expect(!queue.takeAlone())

        queue.short = .milliseconds(10)

        #expect(queue.takeAlone())
        #expect(queue.release(after: .milliseconds(3)) == .none)
        for _ in 0..<20 { _ = queue.release(after: .milliseconds(30)) }
        #expect(!queue.takeAlone())
    }

    @Test("who comes again while the others are answered is awaited once, not twice")
    func comesAgain() {
        #expect(add(8).first == .onThread)

        let (count, call) = take(coming: 7)

        #expect(count == 8)
        #expect(time(call) != nil)
        #expect(add(1) != [.none], "the eighth is the last that is awaited")
        #expect(take().count == 8)
    }

    @Test("those who wait when a transaction is committed are awaited beside those who were in it")
    func others() {
        for _ in 0..<10 {
            _ = add(1)
            #expect(take() == (1, .none))
        }
        #expect(queue.takeAlone(), "transactions are short")
        #expect(add(2) == [.none, .none])
        queue.willAnswer(1)

        let call = queue.release(after: .microseconds(200))

        #expect(time(call) != nil)
        #expect(add(1) != [.none])
        #expect(take().count == 3)
    }

    @Test("who waits in vain is taken when the time is over, and then waits for as many as there are")
    func inVain() {
        #expect(add(2) == [.onThread, .none])
        #expect(take() == (2, .none))
        #expect(time(queue.add(Waiting())) != nil, "it waits for the other")

        #expect(queue.lookAgain() == .onThread)

        #expect(take() == (1, .none))
        #expect(queue.takeAlone(), "nobody is awaited any more")
    }

    @Test("where all come in time, one timer is set for many transactions; where one did not, for one again")
    func timers() throws {
        eight(times: 20)
        _ = take()
        let long = time(add(8).first)
        #expect(take().count == 8)
        #expect(add(8).first == StepQueue.Call.none, "the timer that was set is enough")
        #expect(take().count == 8)
        // It looks for one who has waited since before; these came later.
        let again = add(2)
        let stillLong = time(queue.lookAgain())
        #expect(queue.lookAgain() == .onThread)
        #expect(take() == (2, .none))
        let short = time(queue.add(Waiting()))

        #expect(again == [.none, .none])
        let waits = try [#require(short), #require(stillLong), #require(long)]
        #expect(waits[0] < waits[1] / 4 && waits[0] < waits[2] / 4)
        #expect(waits.allSatisfy { $0 <= .milliseconds(2) })
    }

    @Test("a step that shares its transaction with nobody waits for nobody")
    func alone() {
        eight(times: 10)
        _ = take()

        #expect(queue.add(Waiting(sharing: .alone)) == .onThread)
    }
}
