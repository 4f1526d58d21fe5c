internal import Leat
internal import Synchronization

/// Runs tasks one piece at a time, on one thread, in an order that follows from a seed.
///
/// Whatever is enabled at a moment waits for its turn, and each turn is drawn: so a seed is an interleaving, and the same
/// seed is the same interleaving. Only when nothing is enabled does the time go on.
///
/// ```swift
/// let scheduler = SimulatedScheduler(seed: 7)
/// let store = MemoryStore(time: scheduler.time)
/// let exit = try await scheduler.run(within: .seconds(600)) { try await worker.work() }
/// ```
///
/// - Important: What leaves it (a detached task, a dispatch queue, a thread) is not waited for: a simulation that has
///   nothing else to do then is ``SimulationStuck``.
public final class SimulatedScheduler: TaskExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var generator: SeededGenerator
        var turns = 0
    }

    /// The clock of all that runs here.
    public let time: SimulatedTime
    private let state: Mutex<State>

    public init(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        time = SimulatedTime(seed: generator.next())
        state = Mutex(State(generator: generator))
    }

    /// How many pieces have been run.
    public var turns: Int { state.withLock { $0.turns } }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        state.withLock { $0.jobs.append(job) }
    }

    /// Runs something, and all tasks that it begins, to its end.
    ///
    /// - Parameter limit: so much simulated time.
    /// - Throws: what it throws; ``SimulationStuck``, when the time is over or nobody has anything to do any more.
    public func run<Value: Sendable>(
        within limit: Duration, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Value, any Error>) in
            do {
                // All of it runs on this one thread, which keeps none of the cooperative pool's busy.
                try DedicatedThread.start { continuation.resume(with: self.drive(within: limit, body)) }
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }

    private func drive<Value: Sendable>(
        within limit: Duration, _ body: @escaping @Sendable () async throws -> Value
    ) -> Result<Value, any Error> {
        let ending = Ending<Value>()
        let task = Task(executorPreference: self) {
            do {
                ending.set(.success(try await body()))
            } catch {
                ending.set(.failure(error))
            }
        }
        var stuck: SimulationStuck?
        while true {
            // Nothing may be left behind that would go on elsewhere, so the ending is looked at last.
            if runNext() { continue }
            if let result = ending.get() { return stuck.map(Result.failure) ?? result }
            if let stuck {
                // What waits for time is let go, so that no task is left hanging.
                guard time.elapsed < limit * 2, time.goOn() else { return .failure(stuck) }
            } else if time.elapsed > limit || !time.goOn() {
                stuck = SimulationStuck(elapsed: time.elapsed, isOutOfTime: time.elapsed > limit)
                task.cancel()
            }
        }
    }

    /// - Returns: whether there was anything to run.
    private func runNext() -> Bool {
        let job = state.withLock { state -> UnownedJob? in
            guard !state.jobs.isEmpty else { return nil }
            state.turns += 1
            return state.jobs.remove(at: Int.random(in: 0..<state.jobs.count, using: &state.generator))
        }
        job?.runSynchronously(on: asUnownedTaskExecutor())
        return job != nil
    }

    private final class Ending<Value: Sendable>: Sendable {
        private let result = Mutex<Result<Value, any Error>?>(nil)
        func set(_ value: Result<Value, any Error>) { result.withLock { $0 = value } }
        func get() -> Result<Value, any Error>? { result.withLock { $0 } }
    }
}

/// A simulation did not come to its end.
public struct SimulationStuck: Error, Sendable, CustomStringConvertible {
    /// How much simulated time had gone by.
    public let elapsed: Duration
    /// Whether the time that it was given is over; otherwise everybody waits for something that nobody will do.
    public let isOutOfTime: Bool

    public var description: String {
        isOutOfTime
            ? "after \(elapsed) of simulated time it was still going on"
            : "after \(elapsed) of simulated time everybody waits for something that nobody will do"
    }
}
