public import Leat
internal import Logging
internal import Synchronization

/// The whole engine in one thread, on a clock that goes on by itself, with everything going wrong that can.
///
/// A pipeline whose shape follows from the seed (producers with shards and cursors, windows, routes, delays, several
/// items at once, whole inputs, stages after others) is run by the engine's own workers on a store. Meanwhile workers die
/// before and behind their transactions, stand still for longer than their lease and go on, hang, and are told to stop;
/// the host is started anew, its wall clock is set, and the store wants for the lock or for room. New workers drive the
/// pipeline to its end, and what is in its queues then is held against what its functions say: each input's effect once,
/// the poisonous values dead and no others, nothing refused that must not be, and all of it within a bounded time.
///
/// Everything follows from the seed, the order of tasks too: a seed that fails fails again, with the same trace.
///
/// ```swift
/// try await Simulation(seed: 7).run { time in MemoryStore(time: time, terms: Simulation.terms) }
/// ```
///
/// - Important: The store must run on the task that calls it. One that hands its steps to threads of its own, as the
///   embedded store does, is not held by the simulated clock.
public struct Simulation: Sendable {
    public let seed: UInt64

    /// Short leases, so that little of the time is spent on waiting for their end.
    public static let terms = LeaseTerms(heartbeat: .seconds(1), duration: .seconds(5))
    /// So much simulated time a run may take. The longest that it can is by far shorter.
    static let limit = Duration.seconds(900)

    public init(seed: UInt64) { self.seed = seed }

    /// - Parameter makeStore: gives an empty store that reads the given clock, with ``terms``.
    /// - Throws: ``SimulationFailure``.
    @discardableResult
    public func run(
        on makeStore: @escaping @Sendable (any TimeSource) throws -> any Store
    ) async throws -> SimulationReport {
        let scheduler = SimulatedScheduler(seed: seed)
        let scene = SimulatedScene(scheduler.time, seed: seed ^ 0x5EED)
        do {
            let host = SimulatedHost(
                try makeStore(scheduler.time), try SimulatedPipeline(scene, seed: seed), scene, scheduler)
            try await scheduler.run(within: Self.limit) { try await host.run() }
        } catch {
            throw SimulationFailure(seed: seed, difference: "\(error)", trace: scene.trace)
        }
        if let violation = scene.violations.first {
            throw SimulationFailure(seed: seed, difference: violation, trace: scene.trace)
        }
        return SimulationReport(trace: scene.trace, elapsed: scheduler.time.elapsed, turns: scheduler.turns)
    }
}

/// What a simulation was.
public struct SimulationReport: Sendable, Hashable {
    /// What happened, in its order. The same seed gives the same.
    public let trace: [String]
    /// How much simulated time it took.
    public let elapsed: Duration
    /// How many pieces of tasks were run.
    public let turns: Int

    /// How many workers died.
    public var deaths: Int { trace.count { $0.contains(" dies: ") } }
    /// How many steps came too late, and were refused.
    public var lateSteps: Int { trace.count { $0.hasSuffix(": lease-lost") || $0.hasSuffix(": fenced") } }
}

/// A simulation that did not come to what its functions say.
public struct SimulationFailure: Error, Sendable, CustomStringConvertible {
    public let seed: UInt64
    public let difference: String
    public let trace: [String]

    public var description: String {
        "The simulation of seed \(seed) went wrong: \(difference)\nThe end of its trace:\n  "
            + trace.suffix(60).joined(separator: "\n  ")
    }
}
