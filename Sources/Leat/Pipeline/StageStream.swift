/// How the input of a stream function has come to its end.
public enum StreamEnding: Sendable, Hashable, CaseIterable {
    /// Nothing more will come to this call: what is held is the rest. The function is called again for what comes back, and
    /// for what is behind that rest in a group.
    case complete
    /// The worker is to stop, or something under suspicion must be worked on alone: answer what is held, or leave it to be
    /// handed out again. The function is called again for what comes later.
    ///
    /// To what is under suspicion and alone, no answer is a failed attempt.
    case drain
}

/// What a stream function is given: its input as a sequence, and the means to answer it.
///
/// The function takes items as they come and answers them when it likes, several with one answer: windows, joins, batches
/// by key or by time. An answer is one transaction: the items are done and what was made of them is put, or neither.
/// What it holds when it throws is tried again in smaller parts, until the culprit stands alone.
///
/// ```swift
/// Transformer("pairs", from: "numbers", to: "sums", stream: { (stream: StageStream<Int, Int>) in
///     var pair: [StageItem<Int>] = []
///     for try await number in stream {
///         pair.append(number)
///         if pair.count < 2 { continue }
///         try await stream.put([pair[0].value + pair[1].value], answering: pair)
///         pair = []
///     }
///     // At its end there may be one without another.
///     if await stream.ending == .complete, !pair.isEmpty { try await stream.put(pair.map(\.value), answering: pair) }
/// })
/// ```
///
/// The sequence ends when the queue is closed and everything but what this call holds is settled.
public struct StageStream<In: Codable & Sendable, Out: Codable & Sendable>: AsyncSequence, Sendable {
    public typealias Element = StageItem<In>

    fileprivate let desk: StreamDesk
    private let context: ItemContextMaker
    private let coder: PayloadCoder<In>
    private let put: @Sendable ([Out], inout [Output]) throws -> Void

    init(
        _ desk: StreamDesk, _ input: QueueReference<In>, _ context: ItemContextMaker,
        put: @escaping @Sendable ([Out], inout [Output]) throws -> Void
    ) {
        self.desk = desk
        self.context = context
        coder = input.coder
        self.put = put
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(stream: self) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let stream: StageStream

        /// An item that can't be read is a dead letter, and left out.
        public mutating func next() async throws -> StageItem<In>? { try await stream.next(by: nil) }
    }

    /// - Returns: `nil` at the end, or when none has come by the time.
    fileprivate func next(by deadline: ContinuousClock.Instant?) async throws -> StageItem<In>? {
        while let item = try await desk.next(by: deadline) {
            do {
                return StageItem(value: try coder.decode(item.payload), context: context(item))
            } catch {
                try await desk.fail(item.id, error)
            }
        }
        return nil
    }

    /// The items in batches: so many, or those that have come within a time of the first of them.
    ///
    /// ```swift
    /// for try await batch in stream.batches(of: 100, within: .seconds(1)) {
    ///     try await stream.put([Summary(of: batch.map(\.value))], answering: batch)
    /// }
    /// ```
    ///
    /// The last one has what is left. At a drain that may be less than would have come: answer it, or leave it to be handed
    /// out again.
    public func batches(of count: Int, within duration: Duration) -> StageBatches<In, Out> {
        precondition(count >= 1, "a batch holds at least one item")
        return StageBatches(stream: self, count: count, duration: duration)
    }

    /// How the sequence has come to its end; `nil` before.
    public var ending: StreamEnding? {
        get async { await desk.ending }
    }

    /// Puts values that were made of items, which are done with that.
    ///
    /// - Throws: ``LeatError/Code/refused`` for an item that was answered before.
    public func put(_ values: [Out], answering items: [StageItem<In>]) async throws {
        var outputs: [Output] = []
        try put(values, &outputs)
        if items.count == 1 { for index in outputs.indices { outputs[index].parent = items[0].id } }
        try await desk.answer(
            Dictionary(items.map { ($0.id, Outcome.done) }, uniquingKeysWith: { first, _ in first }), outputs: outputs)
    }

    /// Items are done, and nothing was made of them.
    public func acknowledge(_ items: [StageItem<In>]) async throws {
        guard !items.isEmpty else { return }
        try await put([], answering: items)
    }

    /// An item has failed: it is tried again, or dead, as the error advises (``AdvisingError``) or the stage's policy says.
    public func fail(_ item: StageItem<In>, _ error: any Error) async throws {
        try await desk.fail(item.id, error)
    }
}

/// The batches of a ``StageStream``, none of them empty.
public struct StageBatches<In: Codable & Sendable, Out: Codable & Sendable>: AsyncSequence, Sendable {
    public typealias Element = [StageItem<In>]

    fileprivate let stream: StageStream<In, Out>
    fileprivate let count: Int
    fileprivate let duration: Duration

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(batches: self) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let batches: StageBatches

        public mutating func next() async throws -> [StageItem<In>]? {
            guard let first = try await batches.stream.next(by: nil) else { return nil }
            var batch = [first]
            let deadline = batches.stream.desk.time.now + batches.duration
            while batch.count < batches.count, let item = try await batches.stream.next(by: deadline) {
                batch.append(item)
            }
            return batch
        }
    }
}

/// One item of a ``StageStream``.
public struct StageItem<Value: Sendable>: Sendable, Identifiable {
    public let value: Value
    /// Its attempt, and its idempotency key.
    public let context: ItemContext

    public var id: ItemID { context.item }
}

/// Makes the contexts of a stage's items.
struct ItemContextMaker: Sendable {
    let stage: StageName
    let queue: QueueName
    let runID: String

    func callAsFunction(_ item: Item) -> ItemContext {
        ItemContext(
            item: item.id, attempt: item.attempts + 1, stage: stage, queue: queue, runID: runID,
            generation: item.generation, headers: item.headers)
    }
}

extension Transformer {
    /// A function from the sequence of a queue's values to values for another, with answers of its own: see
    /// ``StageStream``.
    public init<In, Out>(
        _ name: StageName, from input: QueueReference<In>, to output: QueueReference<Out>,
        stream function: @escaping @Sendable (StageStream<In, Out>) async throws -> Void
    ) {
        let destinations = Destinations([output])
        self.init(
            name, from: input.name, inputType: ValueType(In.self), outputs: destinations.names,
            outputTypes: destinations.types,
            body: .stream({ desk in
                let context = ItemContextMaker(stage: name, queue: input.name, runID: try await desk.runID())
                try await function(StageStream(desk, input, context, put: destinations.putMany))
            }))
        definition.spec.policy.countsHeld = false
    }
}

extension Consumer {
    /// A function of the sequence of a queue's values, with acknowledgements of its own: see ``StageStream``.
    public init<In>(
        _ name: StageName, from input: QueueReference<In>,
        stream function: @escaping @Sendable (StageStream<In, Never>) async throws -> Void
    ) {
        self.init(
            name, from: input.name, inputType: ValueType(In.self),
            body: .stream({ desk in
                let context = ItemContextMaker(stage: name, queue: input.name, runID: try await desk.runID())
                try await function(StageStream(desk, input, context, put: { _, _ in }))
            }))
        definition.spec.policy.countsHeld = false
    }
}
