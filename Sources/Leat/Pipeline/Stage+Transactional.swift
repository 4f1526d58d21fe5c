// For stores that let a stage's function see their transaction: they extend the stages with initialisers of their own,
// which cast the context and come here. The types are erased in this module, where the coders are.

extension Consumer {
    /// Called once a value, inside the transaction that acknowledges it.
    package init<In>(
        _ name: StageName, from input: QueueReference<In>, memoryStore: @escaping @Sendable () throws -> any Store,
        transactional function: @escaping @Sendable (any TransactionContext, In) throws -> Void
    ) {
        let coder = input.coder
        let body: @Sendable (any TransactionContext, Item) throws -> [Output] = { context, item in
            try function(context, try coder.decode(item.payload))
            return []
        }
        self.init(
            name, from: input.name, inputType: ValueType(In.self), body: .transactionalItem(body),
            memoryStore: memoryStore)
    }

    /// Called once with all values of a queue, inside the transaction that acknowledges them and ends the stage.
    package init<In>(
        _ name: StageName, whenClosed input: QueueReference<In>,
        memoryStore: @escaping @Sendable () throws -> any Store,
        transactional function: @escaping @Sendable (any TransactionContext, [In]) throws -> Void
    ) {
        let coder = input.coder
        let body: TransactionalBatchBody = { items in
            PreparedBatch(items, coder) { values in
                { context in
                    try function(context, values)
                    return []
                }
            }
        }
        self.init(
            name, from: input.name, inputType: ValueType(In.self), takesAll: true, body: .transactionalAll(body),
            memoryStore: memoryStore)
    }

    /// Called once after other stages, inside the transaction that ends this one.
    package init(
        _ name: StageName, after stages: [StageName], memoryStore: @escaping @Sendable () throws -> any Store,
        transactional function: @escaping @Sendable (any TransactionContext) throws -> Void
    ) {
        self.init(name, after: stages, body: .transactionalAfter(function), memoryStore: memoryStore)
    }
}

extension Transformer {
    /// Called once a value, inside the transaction that acknowledges it and puts what it gives.
    package init<In, Out>(
        _ name: StageName, from input: QueueReference<In>, to output: QueueReference<Out>,
        memoryStore: @escaping @Sendable () throws -> any Store,
        transactional function: @escaping @Sendable (any TransactionContext, In) throws -> [Out]
    ) {
        let destinations = Destinations([output])
        let coder = input.coder
        let body: @Sendable (any TransactionContext, Item) throws -> [Output] = { context, item in
            var outputs: [Output] = []
            try destinations.putMany(try function(context, try coder.decode(item.payload)), &outputs)
            return outputs
        }
        self.init(
            name, from: input.name, inputType: ValueType(In.self), outputs: destinations.names,
            outputTypes: destinations.types, body: .transactionalItem(body), memoryStore: memoryStore)
    }

    /// Called once a value, inside the transaction that acknowledges it and puts what it gives, by route.
    package init<In>(
        _ name: StageName, from input: QueueReference<In>, routes: [any QueueRoute],
        memoryStore: @escaping @Sendable () throws -> any Store,
        transactional function: @escaping @Sendable (any TransactionContext, In) throws -> Routed
    ) {
        let routes = Routes(of: name, routes)
        let coder = input.coder
        let body: @Sendable (any TransactionContext, Item) throws -> [Output] = { context, item in
            var outputs: [Output] = []
            try routes.put(try function(context, try coder.decode(item.payload)), &outputs)
            return outputs
        }
        self.init(
            name, from: input.name, inputType: ValueType(In.self), outputs: routes.names, outputTypes: routes.types,
            body: .transactionalItem(body), memoryStore: memoryStore)
    }

    /// Called once with all values of a queue, inside the transaction that acknowledges them and ends the stage.
    package init<In, Out>(
        _ name: StageName, whenClosed input: QueueReference<In>, to output: QueueReference<Out>,
        memoryStore: @escaping @Sendable () throws -> any Store,
        transactional function: @escaping @Sendable (any TransactionContext, [In]) throws -> [Out]
    ) {
        let destinations = Destinations([output])
        let coder = input.coder
        let body: TransactionalBatchBody = { items in
            PreparedBatch(items, coder) { values in
                { context in
                    var outputs: [Output] = []
                    try destinations.putMany(try function(context, values), &outputs)
                    return outputs
                }
            }
        }
        self.init(
            name, from: input.name, inputType: ValueType(In.self), outputs: destinations.names,
            outputTypes: destinations.types, takesAll: true, body: .transactionalAll(body), memoryStore: memoryStore)
    }
}
