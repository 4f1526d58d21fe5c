/// A stage with its types erased: what a store knows of it, how it is run, and its code.
///
/// Users write ``Producer``, ``Transformer`` and ``Consumer``; this is what these have in common.
public struct StageDefinition: Sendable {
    public var spec: StageSpec
    /// How many workers `run` starts for it.
    public var workers = 1
    /// At most so many items are claimed, or put by a producer, in one transaction.
    public var batch = 100
    /// How many are claimed before it is known how long one takes.
    package var firstBatch = 8
    /// How many items a worker works on at once; of an item function.
    public var concurrency = 1
    /// In which order it puts what it makes of them.
    public var outputOrder = OutputOrder.asTaken
    /// How long one call of its function may take: of an item function one item, of a batch function one batch.
    public var timeout: Duration = .seconds(60)

    /// What is to become of an item whose function threw; `nil` leaves it to the error.
    public var onError: (@Sendable (any Error) -> RetryAdvice?)?

    package var body: StageBody
    package var inputType: ValueType?
    /// Output queues whose value type is known.
    package var outputTypes: [QueueName: ValueType]
    /// Run in a transaction of their own before the stage's first item; they make the tables that it writes to, and
    /// are run by every worker that starts.
    package var prepare: [@Sendable (any TransactionContext) throws -> Void] = []
    /// Makes the store that `runInMemory` must use, for a stage that sees the database.
    package var memoryStore: (@Sendable () throws -> any Store)?
    /// What is wrong with it by itself; told when the pipeline is made, since a stage's initialisers do not throw.
    package var problem: String?

    package init(
        _ spec: StageSpec,
        body: StageBody,
        inputType: ValueType? = nil,
        outputTypes: [QueueName: ValueType] = [:],
        memoryStore: (@Sendable () throws -> any Store)? = nil
    ) {
        self.spec = spec
        self.body = body
        self.inputType = inputType
        self.outputTypes = outputTypes
        self.memoryStore = memoryStore
        var seen: Set<QueueName> = []
        for queue in spec.outputs where !seen.insert(queue).inserted {
            problem = "Stage '\(spec.name)' names queue '\(queue)' twice among its outputs; once is enough."
        }
    }

    public var name: StageName { spec.name }

    /// Whether a worker calls its function, and waits for the store, in turns. A stream's function goes on beside that.
    package var takesTurns: Bool {
        if case .stream = body { return false }
        return concurrency == 1
    }

    /// What its function threw, with its own advice or else the error's.
    package var failure: @Sendable (any Error) -> Failure {
        { [onError] error in Failure(from: error, advisedBy: onError) }
    }
}
