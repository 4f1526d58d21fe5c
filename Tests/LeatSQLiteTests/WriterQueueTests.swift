import Dispatch
import Foundation
import GRDB
import Leat
import LeatTesting
import Synchronization
import Testing

@testable import LeatSQLite

/// One who has its turn, and writes nothing: as a process that was stopped between its turn and its transaction.
@Suite("The writers' queue", .timeLimit(.minutes(1)))
struct WriterQueueTests {
    private let fixture = try! Fixture()

    /// Nobody waits so long: a step that waited for its deadline would end the test.
    private func store() async throws -> SQLiteStore {
        let store = try await SQLiteStore.open(fixture.path, time: fixture.time, deadline: .seconds(3600))
        try await store.install(Fixture.line)
        return store
    }

    @Test("invariant 7: holds no step and no heartbeat up behind one who has his turn and does not write")
    func stopped() async throws {
        let store = try await store()
        let worker = try await store.worker("change")
        let stopped = try FileLock.lock(path: fixture.path + "-leat/writer")

        for _ in 0..<20 {
            try await store.writing { _ in }
            #expect(try store.beat(worker) == .alive)
        }

        stopped.release()
        try await store.writing { _ in }
        #expect(try store.beat(worker) == .alive)
    }

    #if os(Linux)
    @Test("waits for one who has his turn and writes, however long")
    func writing() async throws {
        let store = try await store()
        let other = try await SQLiteStore.open(fixture.path, time: fixture.time, deadline: .seconds(3600))

        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await store.writing { database in
                    // Several times as long as a turn is waited for before SQLite's lock is tried.
                    Thread.sleep(forTimeInterval: 1)
                    try database.execute(sql: "CREATE TABLE written (id INTEGER)")
                }
            }
            group.addTask {
                while store.file?.writerProcess == nil { await Task.yield() }
                try await other.writing { try $0.execute(sql: "INSERT INTO written VALUES (1)") }
            }
            try await group.waitForAll()
        }
    }
    #endif

    @Test("wakes those who wait, one after the other")
    func handsOver() async throws {
        let path = fixture.folder.appending(path: "writer").path
        let first = try WriterQueue(path: path)
        #expect(first.enter(within: .seconds(3600)) { false } == .turn)
        let bell = try Doorbell(path: path + ".turn")
        let turns = Turns()

        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 { group.addTask { await turns.take(path) } }
            while !bell.isAwaited { await Task.yield() }
            #expect(turns.count.withLock { $0 } == 0)
            first.leave()
        }

        #expect(turns.count.withLock { $0 } == 4)
        #expect(!bell.isAwaited)
    }

    @Test("forgets one who was killed while he waited, and is a queue without him")
    func killedWaiter() throws {
        let path = fixture.folder.appending(path: "writer").path
        let queue = try WriterQueue(path: path)
        let bell = try Doorbell(path: path + ".turn")
        // The count stands after that of the rings.
        let file = try FileHandle(forWritingTo: URL(filePath: path + ".turn"))
        try file.seek(toOffset: 4)
        try file.write(contentsOf: withUnsafeBytes(of: UInt32(1)) { Data($0) })
        #expect(bell.isAwaited)

        #expect(queue.enter(within: .seconds(3600)) { false } == .turn)
        queue.leave()

        #expect(!bell.isAwaited)
    }

    @Test("lets one go who waits in vain, as busy, and gives him his turn the next time")
    func late() async throws {
        let path = fixture.folder.appending(path: "writer").path
        let queue = try WriterQueue(path: path)
        let writer = try FileLock.lock(path: path)
        for _ in 1...3 { #expect(queue.enter(within: .milliseconds(1)) { false } == .late) }
        writer.release()
        #expect(queue.enter(within: .seconds(3600)) { false } == .turn)
        #expect(try FileLock.tryLock(path: path) == nil)
        queue.leave()
        #expect(try FileLock.tryLock(path: path) != nil)
    }

    #if os(Linux)
    @Test("does not wait for a writer beyond a step's deadline")
    func busy() async throws {
        _ = try await store()
        let hasty = try await SQLiteStore.open(fixture.path, time: fixture.time, deadline: .milliseconds(300))
        let writer = try await SQLiteStore.open(fixture.path, time: fixture.time)
        let isRefused = DispatchSemaphore(value: 0)

        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await writer.writing { _ in isRefused.wait() } }
            group.addTask {
                while hasty.file?.writerProcess == nil { await Task.yield() }
                let error = await #expect(throws: LeatError.self) { try await hasty.writing { _ in } }
                isRefused.signal()
                #expect(error?.code == .busy)
                #expect(error?.message.contains("by process \(getpid())") == true)
            }
            try await group.waitForAll()
        }
        try await hasty.writing { _ in }
    }
    #endif

    @Test("is a queue again when he who held it up is gone")
    func again() async throws {
        let queue = try WriterQueue(path: fixture.folder.appending(path: "writer").path)
        let path = fixture.folder.appending(path: "writer").path
        let stopped = try FileLock.lock(path: path)
        #expect(queue.enter(within: .seconds(3600)) { true } == .passed)
        // Held up: nobody waits behind him.
        #expect(queue.enter(within: .seconds(3600)) { true } == .passed)
        stopped.release()

        // The wait that was given up has to come back first.
        while true {
            _ = queue.enter(within: .seconds(3600)) { true }
            if try FileLock.tryLock(path: path) == nil { break }
            await Task.yield()
        }
        queue.leave()
        #expect(try FileLock.tryLock(path: path) != nil)
    }
}

/// Counts those who had their turn.
private final class Turns: Sendable {
    let count = Mutex(0)

    func take(_ path: String) async {
        await withCheckedContinuation { continuation in
            DispatchQueue(label: "waiter").async { [self] in
                let queue = try? WriterQueue(path: path)
                if queue?.enter(within: .seconds(3600), orPass: { false }) == .turn {
                    count.withLock { $0 += 1 }
                    queue?.leave()
                }
                continuation.resume()
            }
        }
    }
}
