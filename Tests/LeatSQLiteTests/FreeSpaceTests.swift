import Foundation
import GRDB
import Leat
import LeatTesting
import Logging
import Synchronization
import Testing

@testable import LeatSQLite

@Suite("A disk that fills", .timeLimit(.minutes(1)))
struct FreeSpaceTests {
    let fixture: Fixture
    /// In MiB, of a file system of 1 GiB.
    let free = Disk()

    init() throws { fixture = try Fixture() }

    final class Disk: Sendable {
        private let left = Mutex<Int64>(1000)
        private let looks = Mutex(0)
        var mebibytes: Int64 {
            get { left.withLock { $0 } }
            set { left.withLock { $0 = newValue } }
        }
        var looked: Int { looks.withLock { $0 } }
        func look() -> FreeSpace {
            looks.withLock { $0 += 1 }
            return FreeSpace(free: mebibytes << 20, total: 1 << 30)
        }
    }

    private func store(keeping bytes: Int64? = nil, time: (any TimeSource)? = nil) async throws -> SQLiteStore {
        try await SQLiteStore.open(
            fixture.path, creating: true, time: time ?? fixture.time, terms: LeaseTerms(), deadline: .seconds(30),
            bytesKeptFree: bytes, space: { [free] _ in free.look() })
    }

    @Test("keeps 64 MiB, or an eighth of a small file system")
    func usual() {
        #expect(FreeSpace(free: 0, total: 1 << 40).usualReserve == 64 << 20)
        #expect(FreeSpace(free: 0, total: 16 << 20).usualReserve == 2 << 20)
    }

    @Test("tells how much is left where the database lies")
    func measured() throws {
        let space = try #require(FreeSpace(of: fixture.folder.path))
        #expect(space.total > 0 && space.free >= 0 && space.free <= space.total)
        #expect(FreeSpace(of: fixture.path + "/nowhere") == nil)
    }

    @Test("has claims wait, and the acknowledgement of what is held go through, its claim left out")
    func claims() async throws {
        let store = try await store()
        try await store.install(Fixture.line)
        try await store.fill(20)
        let (busy, idle) = (try await store.worker("change"), try await store.worker("change"))
        let lease = try #require(try await store.lease("change", busy, upTo: 5))

        free.mebibytes = 63
        fixture.time.advance(by: .seconds(1))

        let refusal = await #expect(throws: LeatError.self) { try await store.lease("change", idle) }
        #expect(refusal?.code == .diskFull)
        #expect(refusal?.message.contains("Only 63 MiB are free") == true)
        // It holds something, and goes on with that.
        #expect(try await store.claim(ClaimRequest("change", worker: busy, limit: 5)).lease == nil)
        #expect(
            try await store.commit(Step(.done, of: lease), next: ClaimRequest("change", worker: busy, limit: 5)) == nil)
        #expect(try await store.status(of: "change")?.done == 5)

        free.mebibytes = 65
        fixture.time.advance(by: .seconds(1))
        #expect(try await store.lease("change", idle, upTo: 5)?.items.count == 5)
    }

    @Test("has who works on a window settle what it holds, instead of waiting for the rest of it")
    func windows() async throws {
        let store = try await store()
        try await store.install(Fixture.line)
        try await store.fill(20)
        let worker = try await store.worker("change")
        let request = ClaimRequest("change", worker: worker, limit: 5, holding: .isIntended)
        let lease = try #require(try await store.claim(request).lease)

        free.mebibytes = 63
        fixture.time.advance(by: .seconds(1))

        #expect(try await store.claim(request) == .settleFirst)
        #expect(try await store.commit(Step(.done, of: lease), next: nil) == nil)
        let refusal = await #expect(throws: LeatError.self) { try await store.claim(request) }
        #expect(refusal?.code == .diskFull)
    }

    @Test("gets back what the log has room for, once all of it is copied")
    func log() async throws {
        let store = try await store()
        try await store.install(Fixture.line)
        for _ in 1...20 { try await store.fill(100) }
        let log = try #require(store.file)
        let size = log.logBytes
        #expect(size > 100_000)

        try await store.checkpoint()
        #expect(log.logBytes >= size)

        free.mebibytes = 1
        fixture.time.advance(by: .seconds(1))
        try await store.checkpoint()

        #expect(log.logBytes < 20_000)
        #expect(store.isFileReplaced == false)
        #expect(try await store.status(of: "change")?.ready == 2000)
        #expect(try await store.put([Output(.text("1"), to: "raw")]) == 1)
    }

    @Test("counts what the log may take when it is copied")
    func owed() async throws {
        let store = try await store()
        try await store.install(Fixture.line)
        free.mebibytes = 66
        #expect(store.shortage == nil)
        // On a busy machine the second after which the log is copied may be over before all is put.
        let copier = try FileLock.lock(path: fixture.path + "-leat/checkpoint")

        let megabyte = Payload.text(String(repeating: "x", count: 1 << 20))
        for _ in 1...3 { _ = try await store.put([Output(megabyte, to: "raw")]) }

        #expect(store.shortage?.contains("Only 66 MiB are free") == true)
        #expect(store.shortage?.contains("copying its log may take 3") == true)
        // It is copied, and there is as much room as before, as far as this disk knows.
        copier.release()
        try await store.checkpoint()
        #expect(store.shortage == nil)
    }

    @Test("tells a stage with nothing left that it is finished")
    func finished() async throws {
        let store = try await store()
        try await store.install(Fixture.line)
        try await store.fill(1, end: true)
        let worker = try await store.worker("change")
        let lease = try #require(try await store.lease("change", worker))
        free.mebibytes = 1
        fixture.time.advance(by: .seconds(1))
        _ = try await store.commit(Step(.done, of: lease), next: nil)

        #expect(try await store.claim(ClaimRequest("change", worker: worker, limit: 5)) == .finished)
    }

    @Test("has producers wait after what they have put")
    func producers() async throws {
        let store = try await store()
        try await store.install(Fixture.line)
        let worker = try await store.worker("make")
        guard case .opened(let hold) = try await store.open(ShardID("make"), by: worker) else {
            Issue.record("the shard was not opened")
            return
        }
        #expect(try await store.fullOutput(of: "make") == nil)

        free.mebibytes = 1
        fixture.time.advance(by: .seconds(1))

        #expect(
            try await store.emit(Emission(hold, outputs: [Output(.text("1"), to: "raw")], cursor: "1", isLast: false))
                == "raw")
        await #expect(throws: LeatError.self) { try await store.fullOutput(of: "make") }
        #expect(try await store.states("raw") == [.ready])
    }

    @Test("is looked at once a second where there is ample, and never where nothing is kept free")
    func looks() async throws {
        let store = try await store()
        try await store.install(Fixture.line)
        try await store.fill(20)
        let worker = try await store.worker("change")
        free.mebibytes = 100_000
        _ = try await store.lease("change", worker, upTo: 1)
        let before = free.looked
        for _ in 1...5 { _ = try await store.lease("change", worker, upTo: 1) }
        #expect(free.looked == before)
        fixture.time.advance(by: .seconds(1))
        free.mebibytes = 1000
        for _ in 1...5 {
            let looked = free.looked
            _ = try await store.lease("change", worker, upTo: 1)
            // The checkpointer may look as well.
            #expect(free.looked > looked)
        }

        let careless = try await self.store(keeping: 0)
        let now = free.looked
        free.mebibytes = 0
        fixture.time.advance(by: .seconds(5))
        #expect(try await careless.lease("change", worker, upTo: 1) != nil)
        #expect(free.looked == now)
    }

    @Test("has a whole run wait, say so once, and go on by itself")
    func run() async throws {
        let told = Heard<String>()
        let (waiting, sender) = AsyncStream.makeStream(of: Void.self)
        let logger = Logger(label: "test") { _ in
            Recorder { line in
                told.add(line)
                if line.contains("Waiting") { sender.yield() }
            }
        }
        let kept = Heard<Int>()
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...10 })
            Consumer("keep", from: "n") { (n: Int) in kept.add(n) }
        }
        // Each looks at the disk for itself.
        @Sendable func work(_ stage: StageName) async throws -> WorkerExit {
            let store = try await store(time: HostTime())
            return try await StageWorker(stage, of: pipeline, on: store, pid: 1, logger: logger, onFatal: { _ in })
                .work()
        }
        _ = try await work("numbers")
        free.mebibytes = 1

        async let end = work("keep")
        for await _ in waiting { break }
        #expect(kept.all.isEmpty)
        free.mebibytes = 1000

        #expect(try await end == .finished(.complete))
        #expect(kept.all == Array(1...10))
        #expect(told.all.filter { $0.contains("Waiting") }.count == 1)
        #expect(told.all.contains { $0.contains("Going on") })
    }

    @Test("lets a worker that waits be stopped, with nothing in its hands")
    func stopped() async throws {
        let store = try await store(time: HostTime())
        let (waiting, sender) = AsyncStream.makeStream(of: Void.self)
        let logger = Logger(label: "test") { _ in Recorder { if $0.contains("Waiting") { sender.yield() } } }
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...10 })
            Consumer("keep", from: "n") { (_: Int) in }
        }
        free.mebibytes = 1

        for stage in ["numbers", "keep"] as [StageName] {
            let worker = try StageWorker(stage, of: pipeline, on: store, pid: 1, logger: logger, onFatal: { _ in })
            let running = Task { try await worker.work() }
            for await _ in waiting { break }
            running.cancel()
            #expect(try await running.value == .stopped)
        }

        #expect(try await store.workers().map(\.ending) == ["stopped", "stopped"])
    }
}

private final class Heard<Value: Sendable>: Sendable {
    private let state = Mutex<[Value]>([])
    var all: [Value] { state.withLock { $0 } }
    func add(_ value: Value) { state.withLock { $0.append(value) } }
}

/// A log that hands each line on.
private struct Recorder: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.notice
    let hear: @Sendable (String) -> Void

    init(_ hear: @escaping @Sendable (String) -> Void) { self.hear = hear }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { hear("\(event.message)") }
}
