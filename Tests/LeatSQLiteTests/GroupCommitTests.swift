import Foundation
import GRDB
import Leat
import LeatTesting
import Synchronization
import Testing

@testable import LeatSQLite

@Suite("Group commit", .timeLimit(.minutes(1)))
struct GroupCommitTests {
    let fixture: Fixture

    init() throws { fixture = try Fixture() }

    @Test("takes what waits together in one transaction, and each learns what became of it")
    func together() async throws {
        let store = try await fixture.store()
        try await store.install(Fixture.line)
        // While a user's function holds the connection, the others gather.
        let (began, goOn) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        async let held: Void = store.writing { _ in
            began.signal()
            goOn.wait()
        }
        try await wait(for: began)
        let before = store.shared.withLock { $0.commits }
        let counts = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<50 {
                group.addTask { try await store.put([Output(.text("\(number)"), to: "raw")]) }
            }
            try await gathered(50, in: store)
            goOn.signal()
            return try await group.reduce(into: []) { $0.append($1) }
        }
        try await held

        #expect(counts == Array(repeating: 1, count: 50))
        #expect(store.shared.withLock { $0.commits } == before + 1)
        #expect(try await store.status(of: "change")?.ready == 50)
    }

    @Test("invariant 1: undoes only the step that fails, and all of it; the others of its group are committed")
    func oneFails() async throws {
        let store = try await fixture.store()
        try await store.install(Fixture.line)
        let (began, goOn) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        async let held: Void = store.writing { _ in
            began.signal()
            goOn.wait()
        }
        try await wait(for: began)
        let refused = await withTaskGroup(of: LeatError.Code?.self) { group in
            for number in 0..<20 {
                group.addTask {
                    let queue: QueueName = number == 7 ? "nowhere" : "raw"
                    do {
                        _ = try await store.put([Output(.text("\(number)"), to: queue)])
                        return nil
                    } catch {
                        return (error as? LeatError)?.code
                    }
                }
            }
            try? await gathered(20, in: store)
            goOn.signal()
            var refused: [LeatError.Code] = []
            for await code in group { if let code { refused.append(code) } }
            return refused
        }
        try await held

        #expect(refused == [.notFound])
        #expect(try await store.status(of: "change")?.ready == 19)
    }

    @Test("invariant 6: loses and doubles nothing where users' transactions, puts and claims of many tasks meet")
    func storm() async throws {
        let store = try await fixture.store()
        let queue: Queue<Int> = try await store.queue("storm")
        try await store.writing { db in try db.execute(sql: "CREATE TABLE seen (value INTEGER)") }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for number in 0..<25 {
                        if number.isMultiple(of: 5) {
                            try await store.writing { db in _ = try queue.put(task * 100 + number, in: db) }
                        } else {
                            try await queue.put(task * 100 + number)
                        }
                    }
                }
            }
            for _ in 0..<4 {
                group.addTask {
                    var taken = 0
                    while taken < 50 {
                        guard case .granted(let batch) = try await queue.claim(for: .seconds(60), waiting: .seconds(1))
                        else { continue }
                        for item in batch.items {
                            try await store.writing { db in
                                try db.execute(sql: "INSERT INTO seen VALUES (?)", arguments: [item.value])
                                try item.acknowledge(in: db)
                            }
                            taken += 1
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        let seen = try await store.reading { db in try Int.fetchAll(db, sql: "SELECT value FROM seen ORDER BY value") }

        let put: [Int] = (0..<8).flatMap { (task: Int) -> [Int] in (0..<25).map { task * 100 + $0 } }
        #expect(seen == put)
        #expect(try await store.verify().isEmpty)
    }

    private func wait(for semaphore: DispatchSemaphore) async throws {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                semaphore.wait()
                continuation.resume()
            }
        }
    }

    /// Until so many steps wait.
    private func gathered(_ count: Int, in store: SQLiteStore) async throws {
        while store.steps.waiting < count { try await Task.sleep(for: .milliseconds(1)) }
    }
}
