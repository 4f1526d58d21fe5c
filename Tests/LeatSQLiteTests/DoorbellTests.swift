import Foundation
import Leat
import LeatTesting
import Testing

@testable import LeatSQLite

@Suite("Doorbells", .timeLimit(.minutes(1)))
struct DoorbellTests {
    private let fixture: Fixture

    init() throws { fixture = try Fixture() }

    @Test("wake one of those who wait for each item, in whatever process")
    func wakesOne() async throws {
        let stores = [try await fixture.store(), try await fixture.store(), try await fixture.store()]
        let jobs = try await stores[0].queue("jobs", of: Int.self)
        let mark = try await stores[0].change(of: .work(in: "jobs"), since: nil, within: .zero)
        let woken = AsyncStream.makeStream(of: Int.self)
        let waiters = stores.indices.map { number in
            Task {
                let next = try await stores[number].change(of: .work(in: "jobs"), since: mark, within: .seconds(600))
                woken.continuation.yield(number)
                return next
            }
        }
        // They have begun to wait in the kernel when they say so; there is no other sign of it.
        while try self.waiting() < 3 { await Task.yield() }

        try await jobs.put(1)
        var order = woken.stream.makeAsyncIterator()
        let first = try #require(await order.next())
        try await jobs.put(2)
        let second = try #require(await order.next())
        let third = try #require([0, 1, 2].first { $0 != first && $0 != second })
        #expect(try self.waiting() == 1)
        waiters[third].cancel()

        await #expect(throws: CancellationError.self) { try await waiters[third].value }
    }

    /// How many wait at a doorbell, by its file.
    private func waiting(_ bell: String = "test.db-leat/bells/jobs") throws -> UInt32 {
        let data = try Data(contentsOf: fixture.folder.appending(path: bell))
        return data.withUnsafeBytes { $0.load(fromByteOffset: 4, as: UInt32.self) }
    }

    @Test("pass a wake on when who was woken does not want it any more")
    func passesOn() async throws {
        let doorbell = try Doorbell(path: fixture.folder.appending(path: "bell").path)
        for _ in 1...50 {
            let rings = doorbell.rings
            // The kernel wakes who has waited the longest.
            let unwanted = Task { try await doorbell.wait(since: rings, atMost: .seconds(600)) }
            while try waiting("bell") < 1 { await Task.yield() }
            let wanted = Task { try await doorbell.wait(since: rings, atMost: .seconds(600)) }
            while try waiting("bell") < 2 { await Task.yield() }
            unwanted.cancel()

            doorbell.ring(all: false)

            try await wanted.value
            await #expect(throws: CancellationError.self) { try await unwanted.value }
            while try waiting("bell") > 0 { await Task.yield() }
        }
    }
}
