import Leat
import LeatTesting
import Testing
import Torture

@Suite("The simulation of the engine")
struct SimulationTests {
    @Test("comes to what the functions say, whatever dies, stands still or comes late")
    func holds() async throws {
        let trial = Trial("simulated runs of the engine", ci: 300, full: 10_000, of: "runs")
        let (deaths, late) = (Tally(), Tally())

        try await trial.tryAll { seed in
            let report = try await Simulation(seed: seed).run(on: Self.store)
            deaths.add(report.deaths)
            late.add(report.lateSteps)
        }

        // What never happens proves nothing.
        #expect(deaths.count > trial.count / 2)
        #expect(late.count > trial.count / 10)
        try trial.finish(
            trial.count,
            finding: "\(deaths.count) deaths, \(late.count) late steps refused: each effect once, no innocent dead")
    }

    @Test("is the same, to the last event, for the same seed", arguments: 0..<12 as Range<UInt64>)
    func replays(_ seed: UInt64) async throws {
        let one = try await Simulation(seed: seed).run(on: Self.store)
        let other = try await Simulation(seed: seed).run(on: Self.store)

        #expect(one.trace.count > 50)
        #expect(one == other, "first difference: \(zip(one.trace, other.trace).first { $0 != $1 } as Any)")
    }

    @Test("differs from seed to seed")
    func differs() async throws {
        let one = try await Simulation(seed: 1).run(on: Self.store)
        let other = try await Simulation(seed: 2).run(on: Self.store)

        #expect(one.trace != other.trace)
    }

    @Test(
        "sees a store that breaks a rule, and replays what it saw",
        arguments: [BrokenRule.everyStepIsFenced, .everyOutputArrives, .onlyTheNamedAreSettled, .endsAreTold])
    func sees(_ rule: BrokenRule) async throws {
        var failure: SimulationFailure?
        for seed in 0..<200 as Range<UInt64> where failure == nil {
            failure = await failed(seed, rule)
        }

        let seen = try #require(failure, "200 runs came to what they should")
        let again = await failed(seen.seed, rule)
        #expect(again?.difference == seen.difference)
        #expect(again?.trace == seen.trace)
        #expect(seen.description.contains("seed \(seen.seed)"))
    }

    private func failed(_ seed: UInt64, _ rule: BrokenRule) async -> SimulationFailure? {
        do {
            try await Simulation(seed: seed).run { time in BrokenStore(Self.store(time), rule) }
            return nil
        } catch {
            return error as? SimulationFailure
        }
    }

    @Sendable private static func store(_ time: any TimeSource) -> any Store {
        MemoryStore(time: time, terms: Simulation.terms)
    }
}
