/// A stage's code with its types erased: payloads in, outputs out.
package enum StageBody: Sendable {
    /// A producer: runs one shard from its cursor to its end.
    case source(SourceBody)
    /// Called once an item; appends its outputs. What it throws is the item's failure.
    case item(@Sendable (Item, inout [Output]) async throws -> Void)
    /// Called once a batch.
    case batch(BatchBody)
    /// Called once, with the whole input, when that is closed.
    case all(BatchBody)
    /// Called with the input as a sequence, as long as something comes; it answers by itself.
    case stream(StreamBody)
    /// Called once an item inside the transaction of its acknowledgement.
    case transactionalItem(@Sendable (any TransactionContext, Item) throws -> [Output])
    /// Called once, with the whole input, inside the transaction of its acknowledgement and its ending.
    case transactionalAll(TransactionalBatchBody)
    /// Called once, when the stages that it comes after are complete.
    case after(@Sendable () async throws -> Void)
    /// The same inside the transaction of its ending.
    case transactionalAfter(@Sendable (any TransactionContext) throws -> Void)
}

/// One call of a stage's stream function.
package typealias StreamBody = @Sendable (StreamDesk) async throws -> Void

/// Decodes a batch and makes the call that works on it.
package typealias BatchBody = @Sendable ([Item]) -> PreparedBatch<() async throws -> [Output]>
/// The same for a call inside the transaction of its acknowledgement.
package typealias TransactionalBatchBody =
    @Sendable ([Item]) -> PreparedBatch<@Sendable (any TransactionContext) throws -> [Output]>

/// A batch that has been decoded: a payload that can't be read is the failure of its item alone, not of the batch.
package struct PreparedBatch<Call> {
    package var accepted: [Item]
    package var rejected: [ItemID: Failure]
    /// The user's function on the accepted items.
    package var call: Call

    package init(_ accepted: [Item], rejected: [ItemID: Failure], call: Call) {
        self.accepted = accepted
        self.rejected = rejected
        self.call = call
    }

    package init<In>(_ items: [Item], _ coder: PayloadCoder<In>, call: ([In]) -> Call) {
        accepted = []
        rejected = [:]
        var values: [In] = []
        accepted.reserveCapacity(items.count)
        values.reserveCapacity(items.count)
        for item in items {
            do {
                values.append(try coder.decode(item.payload))
                accepted.append(item)
            } catch {
                rejected[item.id] = Failure(from: error)
            }
        }
        self.call = call(values)
    }
}

extension StageBody {
    /// An item function: decode, call, and what it gave to `put`.
    static func item<In, Result>(
        _ input: QueueReference<In>,
        _ function: @escaping @Sendable (In) async throws -> Result,
        put: @escaping @Sendable (Result, inout [Output]) throws -> Void
    ) -> StageBody {
        let coder = input.coder
        return .item { item, outputs in
            try put(await function(try coder.decode(item.payload)), &outputs)
        }
    }

    /// A function over many items at once: decode each, call, and what it gave to `put`.
    static func many<In, Result>(
        _ input: QueueReference<In>,
        _ function: @escaping @Sendable ([In]) async throws -> Result,
        put: @escaping @Sendable (Result, inout [Output]) throws -> Void
    ) -> BatchBody {
        let coder = input.coder
        return { items in
            PreparedBatch(items, coder) { values in
                {
                    var outputs: [Output] = []
                    try put(await function(values), &outputs)
                    return outputs
                }
            }
        }
    }
}

/// Where a stage's values go when it does not route them: into each of the named queues.
struct Destinations<Value: Codable & Sendable>: Sendable {
    let queues: [QueueReference<Value>]
    /// Puts a value: made once, since to ask a queue of an unknown type of values for anything takes longer than to put one.
    let putOne: @Sendable (Value, inout [Output]) throws -> Void

    init(_ queues: [QueueReference<Value>]) {
        self.queues = queues
        guard let first = queues.first else {
            putOne = { _, _ in }
            return
        }
        let (coder, name) = (first.coder, first.name)
        if queues.count == 1, !first.isGrouped {
            putOne = { value, outputs in outputs.append(Output(try coder.encode(value), to: name)) }
        } else {
            putOne = { value, outputs in
                let payload = try coder.encode(value)
                for queue in queues { outputs.append(queue.output(payload, of: value)) }
            }
        }
    }

    var names: [QueueName] { queues.map(\.name) }
    var types: [QueueName: ValueType] { routeTypes(queues) }

    @Sendable func putOptional(_ value: Value?, _ outputs: inout [Output]) throws {
        if let value { try putOne(value, &outputs) }
    }

    @Sendable func putMany(_ values: [Value], _ outputs: inout [Output]) throws {
        for value in values { try putOne(value, &outputs) }
    }
}

/// Where a routing stage's values may go. Another queue is the item's failure, found before the store refuses the step.
struct Routes: Sendable {
    let stage: StageName
    let routes: [any QueueRoute]
    private let allowed: Set<QueueName>

    init(of stage: StageName, _ routes: [any QueueRoute]) {
        self.stage = stage
        self.routes = routes
        allowed = Set(routes.map(\.queue))
    }

    var names: [QueueName] { routes.map(\.queue) }
    var types: [QueueName: ValueType] { routeTypes(routes) }

    @Sendable func put(_ routed: Routed, _ outputs: inout [Output]) throws {
        for output in routed.outputs where !allowed.contains(output.queue) {
            throw PermanentError(
                "Stage '\(stage)' routed a value to queue '\(output.queue)', which is not among its routes (\(names.map(\.rawValue).joined(separator: ", ")))."
            )
        }
        outputs += routed.outputs
    }
}

private func routeTypes(_ routes: [any QueueRoute]) -> [QueueName: ValueType] {
    var types: [QueueName: ValueType] = [:]
    for route in routes { types[route.queue] = route.valueType }
    return types
}
