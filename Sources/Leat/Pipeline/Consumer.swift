/// A stage that takes from one queue and puts into none, or that runs once after others.
///
/// Its effects outside are made at least once: an attempt that was cut off is made
/// again. ``ItemContext/idempotencyKey`` is the same for all attempts at an item.
///
/// ```swift
/// Consumer("print", from: "squares") { (square: Int) in print(square) }
/// ```
public struct Consumer: PipelineStage {
    public var definition: StageDefinition

    package init(
        _ name: StageName,
        from input: QueueName,
        inputType: ValueType?,
        takesAll: Bool = false,
        body: StageBody,
        memoryStore: (@Sendable () throws -> any Store)? = nil
    ) {
        let spec = StageSpec(name, kind: .consumer, input: input, takesAll: takesAll)
        definition = StageDefinition(spec, body: body, inputType: inputType, memoryStore: memoryStore)
    }

    package init(
        _ name: StageName,
        after stages: [StageName],
        body: StageBody,
        memoryStore: (@Sendable () throws -> any Store)? = nil
    ) {
        let spec = StageSpec(name, kind: .consumer, after: stages)
        definition = StageDefinition(spec, body: body, memoryStore: memoryStore)
    }

    /// Called once a value.
    public init<In>(
        _ name: StageName, from input: QueueReference<In>,
        _ function: @escaping @Sendable (In) async throws -> Void
    ) {
        self.init(
            name, from: input.name, inputType: ValueType(In.self), body: .item(input, function) { _, _ in })
    }

    /// Called once a batch of values.
    ///
    /// The batch succeeds or fails as one. A batch that failed is halved until the
    /// item that is to blame stands alone; only that one is charged.
    // Disfavoured: a trailing closure, which drops the label, means a function of one item, which may be an array.
    @_disfavoredOverload
    public init<In>(
        _ name: StageName, from input: QueueReference<In>,
        batch function: @escaping @Sendable ([In]) async throws -> Void
    ) {
        self.init(
            name, from: input.name, inputType: ValueType(In.self),
            body: .batch(StageBody.many(input, function) { _, _ in }))
    }

    /// Called once with all values of a queue, when that is closed: a report.
    public init<In>(
        _ name: StageName, whenClosed input: QueueReference<In>,
        _ function: @escaping @Sendable ([In]) async throws -> Void
    ) {
        self.init(
            name, from: input.name, inputType: ValueType(In.self), takesAll: true,
            body: .all(StageBody.many(input, function) { _, _ in }))
    }

    /// Called once, when the named stages are complete, with or without errors.
    public init(
        _ name: StageName, after stages: [StageName], _ function: @escaping @Sendable () async throws -> Void
    ) {
        self.init(name, after: stages, body: .after(function))
    }
}
