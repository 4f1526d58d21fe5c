/// A stage that takes from one queue and puts into others.
///
/// Its function gets a value and gives none, one or many; acknowledging the input
/// and putting the outputs are one transaction, so between stages an item takes
/// effect exactly once, however often the function was called.
///
/// ```swift
/// Transformer("square", from: "n", to: "squares") { (n: Int) in n * n }
/// ```
public struct Transformer: PipelineStage {
    public var definition: StageDefinition

    package init(
        _ name: StageName,
        from input: QueueName,
        inputType: ValueType?,
        outputs: [QueueName],
        outputTypes: [QueueName: ValueType] = [:],
        takesAll: Bool = false,
        body: StageBody,
        memoryStore: (@Sendable () throws -> any Store)? = nil
    ) {
        let spec = StageSpec(name, kind: .transformer, input: input, outputs: outputs, takesAll: takesAll)
        definition = StageDefinition(
            spec, body: body, inputType: inputType, outputTypes: outputTypes, memoryStore: memoryStore)
    }

    private init<In, Out>(
        _ name: StageName, _ input: QueueReference<In>, _ destinations: Destinations<Out>, takesAll: Bool = false,
        _ body: StageBody
    ) {
        self.init(
            name, from: input.name, inputType: ValueType(In.self), outputs: destinations.names,
            outputTypes: destinations.types, takesAll: takesAll, body: body)
    }
}

// MARK: Into one queue

extension Transformer {
    /// One value or none for each value.
    // Disfavoured: a function that gives an array gives any number of values.
    @_disfavoredOverload
    public init<In, Out>(
        _ name: StageName, from input: QueueReference<In>, to output: QueueReference<Out>,
        _ function: @escaping @Sendable (In) async throws -> Out?
    ) {
        let destinations = Destinations([output])
        self.init(name, input, destinations, .item(input, function, put: destinations.putOptional))
    }

    /// Any number of values for each value.
    public init<In, Out>(
        _ name: StageName, from input: QueueReference<In>, to output: QueueReference<Out>,
        _ function: @escaping @Sendable (In) async throws -> [Out]
    ) {
        let destinations = Destinations([output])
        self.init(name, input, destinations, .item(input, function, put: destinations.putMany))
    }

    /// Any number of values for a batch of them.
    ///
    /// The batch succeeds or fails as one. A batch that failed is halved until the
    /// item that is to blame stands alone; only that one is charged.
    // Disfavoured: a trailing closure, which drops the label, means a function of one item, which may be an array.
    @_disfavoredOverload
    public init<In, Out>(
        _ name: StageName, from input: QueueReference<In>, to output: QueueReference<Out>,
        batch function: @escaping @Sendable ([In]) async throws -> [Out]
    ) {
        let destinations = Destinations([output])
        self.init(name, input, destinations, .batch(StageBody.many(input, function, put: destinations.putMany)))
    }

    /// Any number of values for all of a queue, once that is closed: to sort, or to group.
    public init<In, Out>(
        _ name: StageName, whenClosed input: QueueReference<In>, to output: QueueReference<Out>,
        _ function: @escaping @Sendable ([In]) async throws -> [Out]
    ) {
        let destinations = Destinations([output])
        let body = StageBody.many(input, function, put: destinations.putMany)
        self.init(name, input, destinations, takesAll: true, .all(body))
    }

    /// One value or none for all of a queue, once that is closed: a sum.
    // Disfavoured: a function that gives an array gives any number of values.
    @_disfavoredOverload
    public init<In, Out>(
        _ name: StageName, whenClosed input: QueueReference<In>, to output: QueueReference<Out>,
        _ function: @escaping @Sendable ([In]) async throws -> Out?
    ) {
        let destinations = Destinations([output])
        let body = StageBody.many(input, function, put: destinations.putOptional)
        self.init(name, input, destinations, takesAll: true, .all(body))
    }
}

// MARK: Into each of several queues

extension Transformer {
    /// One value or none for each value, put into each of the queues.
    // Disfavoured: a function that gives an array gives any number of values.
    @_disfavoredOverload
    public init<In, Out>(
        _ name: StageName, from input: QueueReference<In>, toAll outputs: [QueueReference<Out>],
        _ function: @escaping @Sendable (In) async throws -> Out?
    ) {
        let destinations = Destinations(outputs)
        self.init(name, input, destinations, .item(input, function, put: destinations.putOptional))
    }

    /// Any number of values for each value, put into each of the queues.
    public init<In, Out>(
        _ name: StageName, from input: QueueReference<In>, toAll outputs: [QueueReference<Out>],
        _ function: @escaping @Sendable (In) async throws -> [Out]
    ) {
        let destinations = Destinations(outputs)
        self.init(name, input, destinations, .item(input, function, put: destinations.putMany))
    }
}

// MARK: By route

extension Transformer {
    /// Any number of values for each value, each for its own queue.
    ///
    /// - Parameters:
    ///   - name: the stage's identity.
    ///   - input: the queue that it takes from.
    ///   - routes: all queues that the function may name; another one makes its input a dead letter.
    ///   - function: called once a value.
    public init<In>(
        _ name: StageName, from input: QueueReference<In>, routes: [any QueueRoute],
        _ function: @escaping @Sendable (In) async throws -> Routed
    ) {
        let routes = Routes(of: name, routes)
        self.init(
            name, from: input.name, inputType: ValueType(In.self), outputs: routes.names, outputTypes: routes.types,
            body: .item(input, function, put: routes.put))
    }

    /// Any number of values for a batch of them, each for its own queue. The batch succeeds or fails as one.
    // Disfavoured: a trailing closure, which drops the label, means a function of one item, which may be an array.
    @_disfavoredOverload
    public init<In>(
        _ name: StageName, from input: QueueReference<In>, routes: [any QueueRoute],
        batch function: @escaping @Sendable ([In]) async throws -> Routed
    ) {
        let routes = Routes(of: name, routes)
        self.init(
            name, from: input.name, inputType: ValueType(In.self), outputs: routes.names, outputTypes: routes.types,
            body: .batch(StageBody.many(input, function, put: routes.put)))
    }
}
