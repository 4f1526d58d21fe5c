public import Leat

/// A small reference model, and random operations that a store and it are put through side by side.
///
/// After every operation all that can be observed must be equal. Everything follows from the seed; a failing list of
/// operations is shrunk before it is shown.
///
/// ```swift
/// try await StoreModel.check(seeds: 0..<2_000, operations: 50) { time in MemoryStore(time: time) }
/// ```
public enum StoreModel {
    /// Puts stores through the runs of the given seeds.
    ///
    /// - Parameter makeStore: gives an empty store that reads the given clock.
    /// - Throws: ``ModelMismatch`` for the first seed at which the store and the model differ.
    public static func check(
        seeds: Range<UInt64>, operations: Int,
        makeStore: @Sendable (any TimeSource) async throws -> any Store
    ) async throws {
        for seed in seeds {
            try await StoreModelRun(seed: seed, operations: operations).check(on: makeStore)
        }
    }
}

/// A pipeline and a list of operations on it, both of which follow from a seed.
public struct StoreModelRun: Sendable {
    public let seed: UInt64
    let plan: Plan
    let operations: [ModelOperation]

    public init(seed: UInt64, operations count: Int) throws {
        try self.init(seed: seed, operations: count, profile: .everything)
    }

    public init(seed: UInt64, operations count: Int, profile: ModelProfile) throws {
        var generator = SeededGenerator(seed: seed)
        self.seed = seed
        plan = try ModelPlans.random(using: &generator, profile)
        var operations: [ModelOperation] = []
        for index in 0..<count {
            operations.append(
                profile == .clocks
                    ? .randomUnderClocks(using: &generator)
                    : .random(using: &generator, isLate: index * 3 > count * 2))
        }
        self.operations = operations
    }

    /// Puts a new store through the operations, and shrinks them if it differs from the model.
    ///
    /// - Throws: ``ModelMismatch``.
    public func check(on makeStore: @Sendable (any TimeSource) async throws -> any Store) async throws {
        guard let first = try await difference(operations, makeStore) else { return }
        var shortest = Array(operations.prefix(first.step + 1))
        var shown = first
        var isShrinking = true
        var size = max(1, shortest.count / 2)
        // Pieces are left out, ever smaller ones, as long as what is left differs in some way.
        while isShrinking || size > 1 {
            if !isShrinking { size = max(1, size / 2) }
            isShrinking = false
            var start = 0
            while start < shortest.count {
                var candidate = shortest
                candidate.removeSubrange(start..<min(start + size, candidate.count))
                if let other = try await difference(candidate, makeStore) {
                    shortest = Array(candidate.prefix(other.step + 1))
                    shown = other
                    isShrinking = true
                } else {
                    start += size
                }
            }
        }
        throw ModelMismatch(
            seed: seed, pipeline: plan, operations: shortest.map { "\($0)" }, difference: shown.text,
            doings: shown.doings)
    }

    private struct Shown {
        let step: Int
        let text: String
        let doings: [String]
    }

    private func difference(
        _ operations: [ModelOperation], _ makeStore: @Sendable (any TimeSource) async throws -> any Store
    ) async throws -> Shown? {
        let time = ManualTime(seed: seed)
        let store = try await makeStore(time)
        try await store.install(plan)
        var runner = ModelRunner(store: store, time: time, plan: plan)
        for (step, operation) in operations.enumerated() {
            do {
                try await runner.perform(operation)
                try await runner.compare()
                if step % 8 == 7 || step == operations.count - 1 { try await runner.verify() }
            } catch let difference as ModelDifference {
                return Shown(step: step, text: difference.text, doings: runner.doings)
            } catch {
                // An error that no rule asks for is a difference too.
                return Shown(step: step, text: "the store threw \(error)", doings: runner.doings)
            }
        }
        return nil
    }
}

/// A store and the model differ.
public struct ModelMismatch: Error, Sendable, CustomStringConvertible {
    public let seed: UInt64
    public let pipeline: Plan
    /// The shortest list of operations that was found to differ.
    public let operations: [String]
    public let difference: String
    /// What those operations came to, with the names and numbers of this run.
    public let doings: [String]

    public var description: String {
        """
        The store differs from the model at seed \(seed): \(difference)
        \(operations.count) operations:
          \(operations.joined(separator: "\n  "))
        They came to:
          \(doings.joined(separator: "\n  "))
        Pipeline:
          \(pipeline.stages.map(Self.line).joined(separator: "\n  "))
        """
    }

    private static func line(_ stage: StageSpec) -> String {
        let ends = "\(stage.input.map { "\($0)" } ?? "–") → \(stage.outputs.map(\.rawValue).joined(separator: ", "))"
        let after = stage.after.isEmpty ? "" : " after \(stage.after.map(\.rawValue).joined(separator: ", "))"
        let retry = stage.policy.retry
        return "\(stage.name): \(ends)\(stage.takesAll ? " (takes all)" : "")\(after), "
            + "\(retry.attempts) attempts from \(retry.base), \(retry.kills) kills, \(stage.policy.crashes) crashes, "
            + "max dead \(stage.policy.maxDead), breaker \(stage.policy.breaker.isEnabled)"
    }
}

/// What one comparison found.
struct ModelDifference: Error {
    let text: String
}
