import Leat
import LeatSupervisor
import Testing

@Suite("processes that outlive their worker")
struct LeftoversTests {
    private let slot = Slot("use", 1)
    private let start = ContinuousClock.now

    private func worker(_ id: Int64, pid: Int32 = 7, ended: Bool) -> WorkerRecord {
        WorkerRecord(
            id: WorkerID(id), stage: "use", pid: pid, log: nil, startedAt: 0, seenAt: 0, isLive: !ended,
            ending: ended ? "silent" : nil)
    }

    private func look(_ leftovers: inout Leftovers, _ workers: [WorkerRecord], after seconds: Int) -> [Slot] {
        leftovers.overdue([slot: 7], workers, now: start + .seconds(seconds), grace: .seconds(10))
    }

    @Test("are found when their grace is over")
    func overdue() {
        var leftovers = Leftovers()

        #expect(look(&leftovers, [worker(1, ended: false)], after: 0) == [])
        #expect(look(&leftovers, [worker(1, ended: true)], after: 1) == [])
        #expect(look(&leftovers, [worker(1, ended: true)], after: 10) == [])
        #expect(look(&leftovers, [worker(1, ended: true)], after: 11) == [slot])
    }

    @Test("are let alone when they have gone on under a new number, and have a new grace when that ends too")
    func wentOn() {
        var leftovers = Leftovers()
        #expect(look(&leftovers, [worker(1, ended: true)], after: 0) == [])

        #expect(look(&leftovers, [worker(1, ended: true), worker(2, ended: false)], after: 20) == [])
        #expect(look(&leftovers, [worker(1, ended: true), worker(2, ended: true)], after: 21) == [])
        #expect(look(&leftovers, [worker(1, ended: true), worker(2, ended: true)], after: 31) == [slot])
    }

    @Test("are not taken for those of another process, nor for one that has not enrolled yet")
    func others() {
        var leftovers = Leftovers()

        #expect(look(&leftovers, [worker(1, pid: 8, ended: true)], after: 0) == [])
        #expect(look(&leftovers, [worker(1, pid: 8, ended: true)], after: 60) == [])
    }
}
