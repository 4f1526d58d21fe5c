public import Leat
internal import Synchronization

/// What a stage makes of some values, by the engine itself and in memory: retries, batches and windows included.
///
/// ```swift
/// let sums = try await outputs(of: pairs(), from: 1...5, as: Int.self)
/// #expect(sums.values == [3, 7, 5])
/// #expect(sums.deadLetters.isEmpty)
/// ```
///
/// A plain function is tested by calling it. This is for what the stage adds to it.
///
/// - Parameters:
///   - stage: one that takes from a queue; it may be one of those that you give to your pipeline.
///   - inputs: put into its queue in this order, which is then closed.
///   - type: of the values that it puts. A stage that puts into several queues gives all of them, in no certain order.
/// - Throws: ``LeatError/Code/invalidPipeline`` for a stage without an input, and what the store could not do.
public func outputs<In: Codable & Sendable, Out: Codable & Sendable>(
    of stage: some PipelineStage, from inputs: some Sequence<In> & Sendable, as type: Out.Type = Out.self
) async throws -> StageOutputs<Out> {
    let definition = stage.definition
    guard let input = definition.spec.input else {
        throw LeatError(
            .invalidPipeline, "Stage '\(definition.name)' takes from no queue, so there is nothing to give it.")
    }
    let values = Array(inputs)
    let found = Found<Out>()
    let pipeline = try Pipeline("stage") {
        Producer("inputs", to: QueueReference<In>(input), repeating: { values })
        stage
        for (number, queue) in definition.spec.outputs.enumerated() {
            Consumer(try StageName(checking: "outputs\(number)"), from: QueueReference<Out>(queue)) { value in
                found.values.withLock { $0.append(value) }
            }
        }
    }
    let run = try await pipeline.runInMemory()
    return StageOutputs(
        values: found.values.withLock { $0 },
        deadLetters: try await run.store.deadLetters(of: definition.name, limit: .max),
        attempts: try await run.store.attempts(of: definition.name, item: nil, limit: .max).reversed(),
        state: run[definition.name]?.state ?? .waiting)
}

/// What a stage made of what it was given.
public struct StageOutputs<Value: Sendable>: Sendable {
    /// In the order in which they were put.
    public let values: [Value]
    /// Inputs whose attempts are used up.
    public let deadLetters: [DeadLetter]
    /// Attempts that failed, in their order.
    public let attempts: [AttemptRecord]
    public let state: StageState
}

private final class Found<Value: Sendable>: Sendable {
    let values = Mutex<[Value]>([])
}
