import Leat
import Synchronization
import Testing

@Suite("Retry advice", .timeLimit(.minutes(1)))
struct RetryAdviceTests {
    private struct Throttled: AdvisingError {
        var retryAdvice: RetryAdvice { .postpone(.milliseconds(1)) }
    }
    private struct Foreign: Error {}

    /// Runs a pipeline over one item whose function throws the given errors, one a call, and then succeeds.
    ///
    /// - Returns: how often it was called, and the dead letters' reasons.
    private func run(
        _ errors: [any Error & Sendable], attempts: Int = 2,
        onError: (@Sendable (any Error) -> RetryAdvice?)? = nil
    ) async throws -> (calls: Int, dead: [String]) {
        let calls = Mutex(0)
        let store = MemoryStore()
        let pipeline = try Pipeline("advice") {
            Producer("make", to: "n", repeating: { [1] })
            Consumer("use", from: "n") { (_: Int) in
                let call = calls.withLock { calls in
                    calls += 1
                    return calls
                }
                if call <= errors.count { throw errors[call - 1] }
            }
            .retry(RetryPolicy(attempts: attempts, base: .milliseconds(1)))
            .breaker(.off)
            .onError { onError?($0) }
        }
        _ = try await pipeline.runInMemory(store: store)
        return (calls.withLock { $0 }, try await store.deadLetters(of: nil, limit: 10).map(\.reason))
    }

    @Test("spends an attempt on an error that says nothing")
    func plain() async throws {
        let (calls, dead) = try await run([Foreign(), Foreign(), Foreign()])

        #expect(calls == 2)
        #expect(dead.count == 1)
    }

    @Test("spends none on an error that puts its item off")
    func postponed() async throws {
        let (calls, dead) = try await run([Throttled(), Throttled(), Throttled(), Throttled()])

        #expect(calls == 5)
        #expect(dead == [])
    }

    @Test("waits as long as an error says, and spends an attempt")
    func after() async throws {
        let error = RetryError("busy", .after(.milliseconds(1)))
        let (calls, dead) = try await run([error, error, error])

        #expect(calls == 2)
        #expect(dead == ["busy"])
    }

    @Test("is the stage's for errors that are another's, and the error's own where the stage has none")
    func onError() async throws {
        let advice: @Sendable (any Error) -> RetryAdvice? = { $0 is Foreign ? .never : nil }
        let (calls, dead) = try await run([Throttled(), Throttled(), Foreign()], onError: advice)

        #expect(calls == 3)
        #expect(dead == ["Foreign()"])
    }

    @Test("of a producer makes its stage wait, and charges it with nothing")
    func producer() async throws {
        let calls = Atomic(0)
        let pipeline = try Pipeline("advice") {
            Producer(
                "make", to: "n",
                repeating: { () throws -> [Int] in
                    if calls.add(1, ordering: .relaxed).newValue <= 10 { throw Throttled() }
                    return [1]
                }
            )
            .crashes(2)
            Consumer("use", from: "n") { (_: Int) in }
        }
        let store = MemoryStore()

        let run = try await pipeline.runInMemory(store: store)

        #expect(run.outcome == .complete)
        #expect(calls.load(ordering: .relaxed) == 11)
        #expect(try await store.status().first?.failures == 0)
    }
}
