import LeatTesting
import Logging
import Testing

@testable import Leat

private let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

@Suite("A heartbeat", .timeLimit(.minutes(1)))
struct HeartbeatTests {
    private let time = ManualTime()
    private let item = Item(id: ItemID(7), payload: .text("x"), claims: 1, attempts: 0, generation: 0)
    private let fatals = AsyncStream.makeStream(of: WorkerFatal.self)
    /// Rung when the call that hangs would give its lock back.
    private let unlocked = Bell()

    private func store() -> HookedStore {
        HookedStore(
            MemoryStore(time: time, terms: LeaseTerms(heartbeat: .milliseconds(10), duration: .seconds(1000))))
    }

    private func heartbeat(
        on store: HookedStore, _ activity: Activity, stop: StopSignal = StopSignal()
    ) async throws -> Heartbeat {
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...10 })
            Consumer("keep", from: "n") { (_: Int) in }.timeout(.seconds(2))
        }
        try await store.install(pipeline.plan)
        let heartbeat = Heartbeat(
            store, try #require(pipeline["keep"]), activity, isProcess: true, patience: .milliseconds(20),
            logger: silent, stop: stop, onFatal: { [fatals] in fatals.continuation.yield($0) })
        heartbeat.watch(try await store.enroll(Enrollment(stage: "keep", pid: 1)))
        return heartbeat
    }

    private var activity: Activity { Activity(stage: "keep", queue: "n", runID: "run", time: time) }

    @Test(
        "asks its worker to stop when a beat meets damage, and not for any other error",
        arguments: [
            LeatError.Code.damaged, .busy, .storeFailed,
        ])
    func damage(code: LeatError.Code) async throws {
        let beats = AsyncStream.makeStream(of: Void.self)
        var store = store()
        store.onBeat = {
            beats.continuation.yield()
            throw LeatError(code, "…")
        }
        let stop = StopSignal()
        let heartbeat = try await heartbeat(on: store, activity, stop: stop)

        try heartbeat.begin()
        for await _ in beats.stream { break }
        await heartbeat.end()

        #expect(stop.isAsked == (code == .damaged))
    }

    @Test("reports a call that hangs in the store's transaction, though its beats wait for the lock that it holds")
    func inTransaction() async throws {
        let (beats, writes) = (AsyncStream.makeStream(of: Void.self), Tally())
        var store = store()
        store.onBeat = { [unlocked] in
            beats.continuation.yield()
            unlocked.wait(for: .seconds(50))
        }
        store.onEndBlocking = { writes.add() }
        let activity = activity
        let heartbeat = try await heartbeat(on: store, activity)
        activity.begin(item, inTransaction: true)

        try heartbeat.begin()
        for await _ in beats.stream { break }
        time.advance(by: .seconds(3))

        #expect(
            await fatals.stream.first { _ in true } == .timedOut("keep", item: ItemID(7), after: .seconds(2)))
        #expect(writes.count == 0)
        unlocked.ring()
        await heartbeat.end()
    }

    @Test("waits only so long for a timeout to be written down")
    func heldUp() async throws {
        var store = store()
        store.onEndBlocking = { [unlocked] in unlocked.wait(for: .seconds(50)) }
        let activity = activity
        let heartbeat = try await heartbeat(on: store, activity)
        activity.begin(item)
        time.advance(by: .seconds(3))

        try heartbeat.begin()

        #expect(
            await fatals.stream.first { _ in true } == .timedOut("keep", item: ItemID(7), after: .seconds(2)))
        #expect(try await store.workers().map(\.ending) == [nil])
        unlocked.ring()
        await heartbeat.end()
    }
}
