import Leat
import LeatTesting
import Synchronization
import Testing

/// What ``LeatTesting`` gives to users' own tests.
@Suite("LeatTesting", .timeLimit(.minutes(1)))
struct TestingProductTests {
    private func pipeline(_ double: @escaping @Sendable (Int) throws -> Int) throws -> Pipeline {
        try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...300 }).batch(20)
            Transformer("double", from: "n", to: "m") { (n: Int) in try double(n) }.workers(2).batch(10)
            Consumer("keep", from: "m") { (_: Int) in }.batch(10)
        }
    }

    @Test(
        "a pipeline of plain functions comes to the same however often workers die",
        arguments: 1...10 as ClosedRange<UInt64>)
    func survives(seed: UInt64) async throws {
        let pipeline = try pipeline { n in
            if n % 50 == 0 { throw PermanentError("fifty") }
            return n * 2
        }

        let report = try await chaos(pipeline, kills: 12, seed: seed)

        #expect(report.kills == 12)
        #expect(report.outcome == .completeWithErrors)
    }

    @Test("a stage whose results depend on how often it is called is found out")
    func findsOut() async throws {
        let calls = Atomic(0)
        let pipeline = try pipeline { n in n + calls.add(1, ordering: .relaxed).newValue }

        await #expect(throws: ChaosFailure.self) { try await chaos(pipeline, kills: 12, seed: 1) }
    }

    @Test("a stage can be run over given inputs")
    func stage() async throws {
        let halve = Transformer("halve", from: "n", to: "m") { (n: Int) -> Int in
            guard n % 2 == 0 else { throw PermanentError("\(n) is odd") }
            return n / 2
        }

        let halves = try await outputs(of: halve, from: 1...6, as: Int.self)

        #expect(halves.values == [1, 2, 3])
        #expect(halves.deadLetters.map(\.reason) == ["1 is odd", "3 is odd", "5 is odd"])
        #expect(halves.attempts.count == 3)
        #expect(halves.state == .completeWithErrors)
        let error = await #expect(throws: LeatError.self) {
            try await outputs(of: Producer("p", to: "n", repeating: { [1] }), from: [1], as: Int.self)
        }
        #expect(error?.code == .invalidPipeline)
    }
}
