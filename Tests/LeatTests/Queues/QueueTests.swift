import LeatTesting
import Testing

@testable import Leat

private struct Mail: Codable, Hashable, Sendable {
    var to: String
}

/// A queue on its own, under a clock that stands still.
@Suite("A queue on its own", .timeLimit(.minutes(1)))
struct QueueTests {
    let time = ManualTime()
    let store: MemoryStore

    init() { store = MemoryStore(time: time) }

    @Test("gives back what was put, in order, and each item once")
    func puts() async throws {
        let mails = try await store.queue("mails", of: Mail.self)

        #expect(try await mails.put(Mail(to: "a")))
        #expect(try await mails.put(contentsOf: ["b", "c"].map(Mail.init(to:))) == 2)
        let batch = try #require(try await mails.claim(upTo: 10, for: .seconds(30)).batch)
        try await batch.acknowledge()

        #expect(batch.values == ["a", "b", "c"].map(Mail.init(to:)))
        #expect(try await mails.status().done == 3)
        guard case .empty(dueIn: nil) = try await mails.claim(for: .seconds(30)) else {
            Issue.record("An empty queue handed something out.")
            return
        }
    }

    @Test("puts an item under a key once, for good")
    func keys() async throws {
        let mails = try await store.queue("mails", of: Mail.self)

        #expect(try await mails.put(Mail(to: "a"), key: "1"))
        #expect(try await !mails.put(Mail(to: "b"), key: "1"))
        try await mails.claim(for: .seconds(1)).batch?.acknowledge()
        #expect(try await mails.put(contentsOf: ["c", "d", "d"].map(Mail.init(to:)), keyedBy: \.to) == 2)
        #expect(try await !mails.put(Mail(to: "e"), key: "1"))
    }

    @Test("hands out what is delayed when it is due, and what has a priority first")
    func delays() async throws {
        let numbers = try await store.queue("numbers", of: Int.self)
        try await numbers.put(1, due: .after(.seconds(60)))
        try await numbers.put(2)
        try await numbers.put(3, priority: 1)

        let first = try #require(try await numbers.claim(upTo: 10, for: .seconds(30)).batch)
        #expect(first.values == [3, 2])
        try await first.acknowledge()
        guard case .empty(let due) = try await numbers.claim(for: .seconds(30)) else { return #expect(Bool(false)) }
        #expect(due == .seconds(60))
        time.advance(by: .seconds(60))
        #expect(try await numbers.claim(for: .seconds(30)).batch?.values == [1])
    }

    @Test("does with each item what is said of it")
    func verdicts() async throws {
        let numbers = try await store.queue(
            "numbers", of: Int.self, policy: QueuePolicy(retry: RetryPolicy(attempts: 2)))
        try await numbers.put(contentsOf: 1...6)
        let items = try #require(try await numbers.claim(upTo: 6, for: .seconds(30)).batch).items

        try await items[0].acknowledge()
        try await items[1].retry(after: .seconds(5), reason: "busy")
        try await items[2].bury(reason: "no such number")
        try await items[3].release()
        try await items[4].postpone(for: .seconds(9), reason: "closed on Sundays")
        try await items[5].fail(PermanentError("never"))

        let records = try await store.items(in: "numbers", after: nil, limit: 10)
        #expect(records.map(\.state) == [.done, .waiting, .dead, .ready, .waiting, .dead])
        #expect(records.map(\.attempts) == [0, 1, 1, 0, 0, 1])
        #expect(try await store.deadLetters(of: nil, limit: 9).map(\.reason) == ["no such number", "never"])
        time.advance(by: .seconds(5))
        let again = try #require(try await numbers.claim(upTo: 6, for: .seconds(30)).batch).items
        #expect(again.map(\.value) == [2, 4])
        #expect(again.map(\.attempt) == [2, 1])
        try await again[0].retry(after: .zero, reason: "busy still")
        #expect(try await numbers.status().dead == 3)
    }

    @Test("invariant 2: refuses all that a claimer says after its lease went to another")
    func fence() async throws {
        let numbers = try await store.queue("numbers", of: Int.self)
        let other = try await store.queue("numbers", of: Int.self)
        try await numbers.put(1)
        let late = try #require(try await numbers.claim(for: .seconds(10)).batch)
        time.advance(by: .seconds(11))
        let batch = try #require(try await other.claim(for: .seconds(10)).batch)

        for attempt in 1...3 {
            let error = await #expect(throws: LeatError.self) {
                switch attempt {
                case 1: try await late.acknowledge()
                case 2: try await late.items[0].bury(reason: "late")
                default: try await late.renew(for: .seconds(10))
                }
            }
            #expect(error?.code == .leaseLost)
        }
        #expect(late.items[0].idempotencyKey == batch.items[0].idempotencyKey)
        #expect(batch.items[0].claims == 2)
        try await batch.acknowledge()
        #expect(try await numbers.status().done == 1)
    }

    @Test("makes dead letters of what can't be read, and hands out the rest")
    func unreadable() async throws {
        let mails = try await store.queue("mails", of: Mail.self)
        try await mails.put(Mail(to: "a"))
        try await store.put([Output(.text("no JSON"), to: "mails"), Output(.text("[]"), to: "mails")])
        try await mails.put(Mail(to: "b"))

        let batch = try #require(try await mails.claim(upTo: 10, for: .seconds(30)).batch)
        try await batch.acknowledge()

        #expect(batch.values == ["a", "b"].map(Mail.init(to:)))
        #expect(try await mails.status().dead == 2)
        #expect(try await mails.status().done == 2)
    }

    @Test("tells empty from finished")
    func ends() async throws {
        let numbers = try await store.queue("numbers", of: Int.self)
        try await numbers.put(1)
        try await numbers.seal()

        let error = await #expect(throws: LeatError.self) { try await numbers.put(2) }
        #expect(error?.code == .queueClosed)
        let batch = try #require(try await numbers.claim(for: .seconds(30)).batch)
        #expect(try await numbers.claim(for: .seconds(30)).isFinished)
        #expect(try await !store.queue("numbers", of: Int.self).claim(for: .seconds(30)).isFinished)
        try await batch.acknowledge()
        #expect(try await store.queue("numbers", of: Int.self).claim(for: .seconds(30)).isFinished)
        try await numbers.reopen()
        #expect(try await numbers.put(2))
    }

    @Test("hands back what a handle holds, and lets it claim again")
    func handsBack() async throws {
        let numbers = try await store.queue("numbers", of: Int.self)
        try await numbers.put(contentsOf: 1...3)
        _ = try await numbers.claim(upTo: 3, for: .seconds(3600))

        try await numbers.handBack()

        #expect(try await numbers.status().ready == 3)
        #expect(try await numbers.claim(upTo: 3, for: .seconds(30)).batch?.values == [1, 2, 3])
    }

    @Test("does nothing for a batch whose items were settled one by one")
    func settledSingly() async throws {
        let numbers = try await store.queue("numbers", of: Int.self)
        try await numbers.put(contentsOf: 1...2)
        let batch = try #require(try await numbers.claim(upTo: 2, for: .seconds(30)).batch)

        for item in batch.items { try await item.bury(reason: "broken") }
        try await batch.acknowledge()
        try await batch.release()

        #expect(try await numbers.status().dead == 2)
        #expect(try await store.status().first?.refused == 0)
    }

    @Test("hands back what a handle held when nobody has it any more")
    func forgotten() async throws {
        let numbers = try await store.queue("numbers", of: Int.self)
        try await numbers.put(contentsOf: 1...2)
        func claimAndForget() async throws {
            _ = try await store.queue("numbers", of: Int.self).claim(for: .seconds(9))
        }

        try await claimAndForget()
        var mark = try await store.change(since: nil, within: .zero)
        while try await store.workers().first?.ending == nil {
            mark = try await store.change(since: mark, within: .seconds(60))
        }

        #expect(try await numbers.status().ready == 2)
        #expect(try await store.workers().map(\.ending) == ["stopped"])
    }

    @Test("is finished for who holds its last item, under suspicion or not")
    func finishedWithSuspect() async throws {
        let numbers = try await store.queue("numbers", of: Int.self)
        try await numbers.put(contentsOf: 1...2)
        try await numbers.seal()
        try await numbers.claim(upTo: 2, for: .seconds(30)).batch?.fail(PermanentError("torn"))
        try await numbers.claim(for: .seconds(30)).batch?.acknowledge()

        let last = try #require(try await numbers.claim(for: .seconds(30)).batch)
        #expect(last.held.lease.isSuspect)
        #expect(try await numbers.claim(for: .seconds(30)).isFinished)
        try await last.acknowledge()
    }

    @Test("refuses a payload that is too large, and puts nothing")
    func tooLarge() async throws {
        let blobs = try await store.queue("blobs", of: [UInt8].self)

        let error = await #expect(throws: LeatError.self) {
            try await blobs.put(contentsOf: [[1], [UInt8](repeating: 255, count: Payload.limit + 1)])
        }

        #expect(error?.code == .payload)
        #expect(try await blobs.status().ready == 0)
    }

    @Test("refuses wishes that can't be, and stops nothing for them")
    func wishes() async throws {
        let numbers = try await store.queue("numbers", of: Int.self)
        for body in [
            { try await numbers.put(1, priority: -1) }, { _ = try await numbers.claim(upTo: 0, for: .seconds(1)) },
            { _ = try await numbers.claim(for: .zero) },
        ] as [() async throws -> Void] {
            let error = await #expect(throws: LeatError.self) { try await body() }
            #expect(error?.code == .refused)
        }
    }

    @Test("does not bury a queue that holds something else altogether")
    func wrongType() async throws {
        let texts = try await store.queue("things", of: String.self)
        try await texts.put(contentsOf: (1...100).map { "text \($0)" })
        let numbers = try await store.queue("things", of: Int.self)

        for limit in [3, 50, 50] {
            let error = await #expect(throws: LeatError.self) {
                try await numbers.claim(upTo: limit, for: .seconds(30))
            }
            #expect(error?.code == .payload)
            #expect(error?.message.contains("Int") == true)
        }

        let status = try await texts.status()
        #expect(status.dead < 5)
        #expect(status.ready + status.dead == 100)
    }

    @Test("is one claimer, however many tasks claim at once")
    func oneClaimer() async throws {
        let numbers = try await store.queue("numbers", of: Int.self)
        try await numbers.put(contentsOf: 1...20)

        let claimed = try await withThrowingTaskGroup(of: [Int].self) { group in
            for _ in 1...10 {
                group.addTask { try await numbers.claim(upTo: 2, for: .seconds(30)).batch?.values ?? [] }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }

        #expect(claimed.sorted() == Array(1...20))
        #expect(try await store.workers().count == 1)
    }

    @Test("refuses to hand out what a pipeline's stage takes, and takes items for it")
    func ofPipeline() async throws {
        try await store.install(
            Plan(
                pipeline: "p",
                stages: [
                    StageSpec("make", kind: .producer, outputs: ["raw"]),
                    StageSpec("keep", kind: .consumer, input: "raw"),
                ]))
        let raw = try await store.queue("raw", of: Int.self)

        #expect(try await raw.put(1))
        let error = await #expect(throws: LeatError.self) { try await raw.claim(for: .seconds(1)) }
        #expect(error?.code == .refused)
        #expect(try await raw.status().ready == 1)
    }

    @Test("says that its breaker has tripped")
    func breaker() async throws {
        let numbers = try await store.queue(
            "numbers", of: Int.self, policy: QueuePolicy(breaker: Breaker(firstAllDead: 1)))
        try await numbers.put(contentsOf: 1...2)
        try await numbers.claim(for: .seconds(1)).batch?.items[0].bury(reason: "broken")

        let error = await #expect(throws: LeatError.self) { try await numbers.claim(for: .seconds(1)) }
        #expect(error?.message.contains("breaker") == true)
        try await store.restart("numbers", by: "test")
        #expect(try await numbers.claim(for: .seconds(1)).batch?.values == [2])
    }
}

/// These wait for commits, in the host's own time.
@Suite("The items of a queue", .timeLimit(.minutes(1)))
struct QueueItemsTests {
    let store = MemoryStore()

    @Test("end when the queue is sealed and all but one's own is settled")
    func ends() async throws {
        let numbers = try await store.queue("numbers", of: Int.self)
        try await numbers.put(contentsOf: 1...5)
        try await numbers.seal()
        var held: [QueueItem<Int>] = []

        for try await item in numbers.items(for: .seconds(30), upTo: 2) { held.append(item) }
        for item in held { try await item.acknowledge() }

        #expect(held.map(\.value) == [1, 2, 3, 4, 5])
        #expect(try await numbers.status().isFinished)
    }

    @Test("wait for what is put later, by whomever")
    func waits() async throws {
        let numbers = try await store.queue("numbers", of: Int.self)
        let other = try await store.queue("numbers", of: Int.self)

        async let seen: [Int] = {
            var seen: [Int] = []
            for try await item in numbers.items(for: .seconds(30)) {
                seen.append(item.value)
                try await item.acknowledge()
                if item.value < 3 { try await other.put(item.value + 1) } else { try await other.seal() }
            }
            return seen
        }()
        try await other.put(1)

        #expect(try await seen == [1, 2, 3])
    }

    @Test("end where nothing is ready, when asked to")
    func drains() async throws {
        let numbers = try await store.queue("numbers", of: Int.self)
        try await numbers.put(contentsOf: 1...3)
        var seen: [Int] = []

        for try await item in numbers.items(for: .seconds(30), whenEmpty: .end) {
            seen.append(item.value)
            try await item.acknowledge()
        }

        #expect(seen == [1, 2, 3])
    }

    @Test("throw when their task is cancelled, so that an end is an end")
    func cancelled() async throws {
        let numbers = try await store.queue("numbers", of: Int.self)

        let task = Task { for try await item in numbers.items(for: .seconds(30)) { try await item.acknowledge() } }
        task.cancel()

        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("come with a claim that waits, as soon as they are put")
    func claimWaits() async throws {
        let numbers = try await store.queue("numbers", of: Int.self)

        async let claim = numbers.claim(for: .seconds(30), waiting: .seconds(50))
        try await numbers.put(1)

        #expect(try await claim.batch?.values == [1])
    }
}
