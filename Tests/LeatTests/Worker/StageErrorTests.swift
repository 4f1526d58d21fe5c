import LeatTesting
import Synchronization
import Testing

@testable import Leat

/// Errors that no item is to blame for.
@Suite("A stage that is broken itself", .timeLimit(.minutes(1)))
struct StageErrorTests {
    let basket = Basket<Int>()

    /// How a stage's function is called.
    enum Kind: CaseIterable, Sendable {
        case singly, sideBySide, together, asStream
    }

    /// Twelve numbers, four at once, and a consumer that keeps them.
    private func run(
        _ kind: Kind, crashes: Int = 3, on store: any Store = MemoryStore(),
        onError: @escaping @Sendable (any Error) -> RetryAdvice? = { _ in nil },
        _ function: @escaping @Sendable (Int) async throws -> Void
    ) async throws -> InMemoryRun {
        @Sendable func see(_ number: Int) async throws {
            try await function(number)
            basket.add(number)
        }
        let keep =
            switch kind {
            case .singly: Consumer("keep", from: "n") { (n: Int) in try await see(n) }
            case .sideBySide: Consumer("keep", from: "n") { (n: Int) in try await see(n) }.concurrency(3)
            case .together:
                Consumer("keep", from: "n", batch: { (all: [Int]) in for number in all { try await see(number) } })
            case .asStream:
                Consumer(
                    "keep", from: "n",
                    stream: { (stream: StageStream<Int, Never>) in
                        for try await number in stream {
                            try await see(number.value)
                            try await stream.acknowledge([number])
                        }
                    })
            }
        return try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...12 })
            Consumer("after", after: ["numbers"]) {}
            keep.batch(4).retry(RetryPolicy(attempts: 2, base: .zero)).crashes(crashes).onError(onError)
        }.runInMemory(store: store)
    }

    /// No item has paid for it.
    private func expectNobodyCharged(_ run: InMemoryRun, attempts count: Int) async throws {
        let attempts = try await run.store.attempts(of: "keep", item: nil, limit: 99)
        #expect(attempts.count == count)
        #expect(attempts.allSatisfy { $0.item == nil })
        let items = try await run.store.items(in: "n", after: nil, limit: 99)
        #expect(items.allSatisfy { $0.attempts == 0 && $0.suspect == 0 })
        #expect(run["keep"]?.leased == 0)
        #expect(try await run.store.verify() == [])
    }

    @Test("fails at once when no repetition can mend it, and charges no item (invariant 3)", arguments: Kind.allCases)
    func permanent(kind: Kind) async throws {
        let run = try await run(kind) { number in
            if number == 6 { throw StageError("API_KEY is not set", .never) }
        }

        #expect(run.outcome == .failed)
        #expect(run["keep"]?.reason == "API_KEY is not set")
        try await expectNobodyCharged(run, attempts: 1)
        // What was done before it stays done: of a batch, the batches before.
        let done = try #require(run["keep"]?.done)
        #expect(kind == .together ? done == 4 : done >= 4)
        #expect(kind != .singly || basket.all == [1, 2, 3, 4, 5])
    }

    @Test("spends its crash budget when it stays broken, and no item's attempts", arguments: Kind.allCases)
    func staysBroken(kind: Kind) async throws {
        let run = try await run(kind) { _ in throw StageError("no such command") }

        #expect(run.outcome == .failed)
        #expect(run["keep"]?.reason?.contains("3 times in a row, the last time: no such command") == true)
        #expect(run["keep"]?.ready == 12)
        try await expectNobodyCharged(run, attempts: 3)
    }

    @Test("goes on when it is mended, and has lost nothing", arguments: Kind.allCases)
    func recovers(kind: Kind) async throws {
        let calls = Tally()
        let run = try await run(kind) { _ in
            if [1, 7].contains(calls.add()) { throw StageError("not yet") }
        }

        #expect(run.outcome == .complete)
        #expect(run["keep"]?.done == 12)
        #expect(run["keep"]?.failures == 2)
        #expect(Set(basket.all) == Set(1...12))
        try await expectNobodyCharged(run, attempts: 2)
    }

    @Test("only waits when it is to be postponed, however often", arguments: Kind.allCases)
    func postponed(kind: Kind) async throws {
        let calls = Tally()
        let run = try await run(kind, crashes: 1) { _ in
            if calls.add() <= 5 { throw StageError("the licence server is down", .postpone(.milliseconds(1))) }
        }

        #expect(run.outcome == .complete)
        try await expectNobodyCharged(run, attempts: 0)
    }

    @Test("is judged by the stage's own advice", arguments: Kind.allCases)
    func judged(kind: Kind) async throws {
        let run = try await run(kind, onError: { $0 is StageError ? .never : nil }) { _ in throw StageError("broken") }

        #expect(run.outcome == .failed)
        #expect(run["keep"]?.reason == "broken")
        try await expectNobodyCharged(run, attempts: 1)
    }

    @Test("hands back what was claimed ahead too, and commits what was done before")
    func ahead() async throws {
        // A batch of four milliseconds is one beside which the next is claimed.
        let time = ManualTime()
        let held = Mutex<Int64?>(nil)
        let store = MemoryStore(time: time)
        let run = try await run(.singly, on: store) { number in
            time.advance(by: .milliseconds(2))
            guard number == 6 else { return }
            // The claim is made beside this call.
            var mark: ChangeMark?
            while try await store.queues().first(where: { $0.queue == "n" })?.leased ?? 0 < 8 {
                mark = try await store.change(since: mark, within: .milliseconds(100))
            }
            held.withLock { $0 = 8 }
            throw StageError("broken", .never)
        }

        #expect(held.withLock { $0 } == 8)
        #expect(run["keep"]?.done == 5)
        #expect(run["keep"]?.ready == 7)
        try await expectNobodyCharged(run, attempts: 1)
    }

    @Test("lets others that are worked on beside it come to their end, and commits them")
    func besideOthers() async throws {
        let broken = AsyncStream.makeStream(of: Void.self)
        let run = try await run(.sideBySide) { number in
            switch number {
            case 1:
                // Begun before it, and through after it.
                for await _ in broken.stream { break }
            case 2:
                defer { broken.continuation.yield() }
                throw StageError("broken", .never)
            default: break
            }
        }

        #expect(basket.all.contains(1))
        #expect(try await run.store.items(in: "n", after: nil, limit: 2).map(\.state) == [.done, .ready])
        try await expectNobodyCharged(run, attempts: 1)
    }

    @Test("spends its crash budget when its stream function throws before it takes anything")
    func takesNothing() async throws {
        struct Broken: Error {}
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...3 })
            Consumer("keep", from: "n", stream: { (_: StageStream<Int, Never>) in throw Broken() })
                .crashes(3).retry(RetryPolicy(base: .zero))
        }.runInMemory()

        #expect(run.outcome == .failed)
        #expect(run["keep"]?.ready == 3)
    }

    @Test("keeps what the error brought to look at")
    func evidence() async throws {
        let evidence = Evidence(exitStatus: 127, duration: .milliseconds(3), errorOutput: "sh: frob: not found")
        let run = try await run(.singly) { _ in throw StageError("no such command", .never, evidence: evidence) }

        let attempt = try await run.store.attempts(of: "keep", item: nil, limit: 9).first
        #expect(attempt?.exitStatus == 127)
        #expect(attempt?.durationMilliseconds == 3)
        #expect(attempt?.errorOutput == "sh: frob: not found")
    }

    @Test("keeps what an item's error brings, with the advice of the stage")
    func itemEvidence() async throws {
        struct Exit: EvidentError {
            var evidence: Evidence { Evidence(exitStatus: 2, errorOutput: "bad row") }
        }
        let run = try await run(.singly, onError: { $0 is Exit ? .never : nil }) { number in
            if number == 3 { throw Exit() }
        }

        #expect(try await run.store.deadLetters(of: nil, limit: 9).map(\.errorOutput) == ["bad row"])
        #expect(try await run.store.attempts(of: "keep", item: ItemID(3), limit: 9).map(\.exitStatus) == [2])
    }
}
