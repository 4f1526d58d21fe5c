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
        let before = store.shared.withLock { $0.commits }

        let counts = try await together(50, in: store) { _ = try await store.put([Output(.text("\($0)"), to: "raw")]) }

        #expect(counts == Array(repeating: nil, count: 50))
        #expect(store.shared.withLock { $0.commits } == before + 1)
        #expect(try await store.status(of: "change")?.ready == 50)
    }

    @Test("invariant 1: undoes only the step that fails, and all of it; the others of its group are committed")
    func oneFails() async throws {
        let store = try await fixture.store()
        try await store.install(Fixture.line)
        let codes = try await together(20, in: store) { number in
            _ = try await store.put([Output(.text("\(number)"), to: number == 7 ? "nowhere" : "raw")])
        }

        #expect(codes.compactMap { $0 } == [.notFound])
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

    /// Takes so many steps that all wait when the first of them is begun: a user's function holds the connection.
    ///
    /// - Returns: the code of the error of each that failed, in the order in which they ended.
    private func together(
        _ count: Int, in store: SQLiteStore, _ step: @escaping @Sendable (Int) async throws -> Void
    ) async throws -> [LeatError.Code?] {
        let (began, goOn) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        async let held: Void = store.writing { _ in
            began.signal()
            goOn.wait()
        }
        await wait(for: began)
        let codes = await withTaskGroup(of: LeatError.Code?.self) { group in
            for number in 0..<count {
                group.addTask {
                    do {
                        try await step(number)
                        return nil
                    } catch {
                        return (error as? LeatError)?.code ?? .storeFailed
                    }
                }
            }
            while store.steps.waiting < count { await Task.yield() }
            goOn.signal()
            return await group.reduce(into: []) { $0.append($1) }
        }
        try await held
        return codes
    }

    private func wait(for semaphore: DispatchSemaphore) async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                semaphore.wait()
                continuation.resume()
            }
        }
    }
}
