/// A stage without input: it puts the values of a sequence into a queue.
///
/// Values and the cursor that follows them are committed together, `batch` of
/// them in a transaction, so a producer that is killed goes on where it was.
///
/// ```swift
/// Producer("extract", to: raw, shards: months) { (shard: ShardName, line: Int?) in
///     rows(of: shard, after: line ?? 0).map { Sourced($0.row, cursor: $0.line) }
/// }
/// ```
public struct Producer: PipelineStage {
    public var definition: StageDefinition

    package init(
        _ name: StageName, outputs: [QueueName], outputTypes: [QueueName: ValueType], shards: [ShardName] = [],
        source: @escaping SourceBody
    ) {
        let spec = StageSpec(name, kind: .producer, outputs: outputs, shards: shards)
        definition = StageDefinition(spec, body: .source(source), outputTypes: outputTypes)
    }

    private init<Value>(
        _ name: StageName, _ queue: QueueReference<Value>, _ shards: [ShardName]?, _ source: @escaping SourceBody
    ) {
        self.init(
            name, outputs: [queue.name], outputTypes: [queue.name: ValueType(Value.self, isGrouped: queue.isGrouped)],
            shards: shards ?? [],
            source: source)
        guard let shards else { return }
        if shards.isEmpty {
            definition.problem = "Producer '\(name)' has an empty list of shards; name at least one."
        } else if Set(shards).count < shards.count {
            definition.problem = "Producer '\(name)' names a shard twice; a shard's name is its identity."
        }
    }
}

// MARK: With a cursor

extension Producer {
    /// Puts a sequence's values, each with the cursor that follows it, for each shard.
    ///
    /// - Parameters:
    ///   - name: the stage's identity.
    ///   - queue: the queue that it puts into.
    ///   - shards: the slices, each with a cursor of its own.
    ///   - values: called with a shard and its saved cursor (`nil` at its start); gives what comes after it.
    @inlinable
    public init<Value, Cursor, Values: Sequence & SendableMetatype>(
        _ name: StageName, to queue: QueueReference<Value>, shards: [ShardName],
        _ values: @escaping @Sendable (ShardName, Cursor?) async throws -> Values
    ) where Values.Element == Sourced<Value, Cursor> {
        self.init(name, to: queue, shards: shards, drawing: { DrawnValues(try await values($0, $1)) })
    }

    /// Puts an asynchronous sequence's values, each with the cursor that follows it, for each shard.
    ///
    /// A slow sequence's values are not held back for longer than about a second.
    public init<Value, Cursor, Values: AsyncSequence & SendableMetatype>(
        _ name: StageName, to queue: QueueReference<Value>, shards: [ShardName],
        _ values: @escaping @Sendable (ShardName, Cursor?) async throws -> Values
    ) where Values.Element == Sourced<Value, Cursor> {
        self.init(name, queue, shards) { run in
            let tracker = try CursorTracker<Value, Cursor>(queue, run.hold)
            let (shard, start) = (run.hold.id.shard, tracker.start)
            try await run.pump(from: { try await values(shard, start) }, tracker)
        }
    }

    /// Puts a sequence's values, each with the cursor that follows it.
    @inlinable
    public init<Value, Cursor, Values: Sequence & SendableMetatype>(
        _ name: StageName, to queue: QueueReference<Value>,
        _ values: @escaping @Sendable (Cursor?) async throws -> Values
    ) where Values.Element == Sourced<Value, Cursor> {
        self.init(name, to: queue, shards: nil, drawing: { DrawnValues(try await values($1)) })
    }

    @usableFromInline
    init<Value, Cursor>(
        _ name: StageName, to queue: QueueReference<Value>, shards: [ShardName]?,
        drawing values: @escaping @Sendable (ShardName, Cursor?) async throws -> DrawnValues<Sourced<Value, Cursor>>
    ) {
        self.init(name, queue, shards) { run in
            let tracker = try CursorTracker<Value, Cursor>(queue, run.hold)
            try await run.pump(try await run.timed { try await values(run.hold.id.shard, tracker.start) }, tracker)
        }
    }

    /// Puts an asynchronous sequence's values, each with the cursor that follows it.
    public init<Value, Cursor, Values: AsyncSequence & SendableMetatype>(
        _ name: StageName, to queue: QueueReference<Value>,
        _ values: @escaping @Sendable (Cursor?) async throws -> Values
    ) where Values.Element == Sourced<Value, Cursor> {
        self.init(name, queue, nil) { run in
            let tracker = try CursorTracker<Value, Cursor>(queue, run.hold)
            let start = tracker.start
            try await run.pump(from: { try await values(start) }, tracker)
        }
    }
}

// MARK: Without a cursor

extension Producer {
    /// Puts a sequence's values, which must be the same ones, in the same order, each time.
    ///
    /// The cursor is how many were put, and a hash of them. A producer that goes on
    /// takes those again and compares; when they have changed it is refused.
    // Disfavoured: a trailing closure, which drops the label, means the producer that promises nothing.
    @_disfavoredOverload
    @inlinable
    public init<Value, Values: Sequence & SendableMetatype>(
        _ name: StageName, to queue: QueueReference<Value>,
        repeating values: @escaping @Sendable () async throws -> Values
    ) where Values.Element == Value {
        self.init(name, to: queue, drawingAgain: { DrawnValues(try await values()) })
    }

    @usableFromInline
    init<Value>(
        _ name: StageName, to queue: QueueReference<Value>,
        drawingAgain values: @escaping @Sendable () async throws -> DrawnValues<Value>
    ) {
        self.init(name, queue, nil) { run in
            let tracker = try RepeatingTracker(queue, run.hold)
            try await run.pump(try await run.timed { try await values() }, tracker)
        }
    }

    /// Puts an asynchronous sequence's values, which must be the same ones, in the same order, each time.
    // Disfavoured: a trailing closure, which drops the label, means the producer that promises nothing.
    @_disfavoredOverload
    public init<Value, Values: AsyncSequence & SendableMetatype>(
        _ name: StageName, to queue: QueueReference<Value>,
        repeating values: @escaping @Sendable () async throws -> Values
    ) where Values.Element == Value {
        self.init(name, queue, nil) { run in
            let tracker = try RepeatingTracker(queue, run.hold)
            try await run.pump(from: values, tracker)
        }
    }

    /// Puts a sequence's values from its beginning, each under a key, so that those that are there already are left out.
    @inlinable
    public init<Value, Values: Sequence & SendableMetatype>(
        _ name: StageName, to queue: QueueReference<Value>, key: @escaping @Sendable (Value) -> String,
        _ values: @escaping @Sendable () async throws -> Values
    ) where Values.Element == Value {
        self.init(name, to: queue, key: key, drawing: { DrawnValues(try await values()) })
    }

    @usableFromInline
    init<Value>(
        _ name: StageName, to queue: QueueReference<Value>, key: @escaping @Sendable (Value) -> String,
        drawing values: @escaping @Sendable () async throws -> DrawnValues<Value>
    ) {
        self.init(name, queue, nil) { run in
            try await run.pump(try await run.timed { try await values() }, LooseTracker(queue, run.hold, key: key))
        }
    }

    /// Puts an asynchronous sequence's values from its beginning, each under a key.
    public init<Value, Values: AsyncSequence & SendableMetatype>(
        _ name: StageName, to queue: QueueReference<Value>, key: @escaping @Sendable (Value) -> String,
        _ values: @escaping @Sendable () async throws -> Values
    ) where Values.Element == Value {
        self.init(name, queue, nil) { run in
            try await run.pump(from: values, LooseTracker(queue, run.hold, key: key))
        }
    }

    /// Puts a sequence's values, once.
    ///
    /// - Important: It can't be resumed: when it was stopped after it had put items, it is refused
    ///   (``LeatError/Code/cannotResume``), since where to go on is not known.
    @inlinable
    public init<Value, Values: Sequence & SendableMetatype>(
        _ name: StageName, to queue: QueueReference<Value>,
        _ values: @escaping @Sendable () async throws -> Values
    ) where Values.Element == Value {
        self.init(name, to: queue, drawing: { DrawnValues(try await values()) })
    }

    @usableFromInline
    init<Value>(
        _ name: StageName, to queue: QueueReference<Value>,
        drawing values: @escaping @Sendable () async throws -> DrawnValues<Value>
    ) {
        self.init(name, queue, nil) { run in
            let tracker = try LooseTracker(queue, run.hold)
            try await run.pump(try await run.timed { try await values() }, tracker)
        }
    }

    /// Puts an asynchronous sequence's values, once. It can't be resumed.
    public init<Value, Values: AsyncSequence & SendableMetatype>(
        _ name: StageName, to queue: QueueReference<Value>,
        _ values: @escaping @Sendable () async throws -> Values
    ) where Values.Element == Value {
        self.init(name, queue, nil) { run in
            let tracker = try LooseTracker(queue, run.hold)
            try await run.pump(from: values, tracker)
        }
    }
}
