internal import ServiceLifecycle

/// A producer's code with its types erased: one call runs one shard until its end, or until it is told to stop.
package typealias SourceBody = @Sendable (SourceRun) async throws -> Void

/// What a producer commits in one step.
package struct SourceChunk: Sendable {
    package var outputs: [Output]
    package var cursor: String?
    package var isLast: Bool
}

/// One run of one shard, as a producer's code sees it: where it begins, and whom it gives its chunks to.
package struct SourceRun {
    package let hold: ShardHold
    /// Values in a chunk, at most.
    package let batch: Int
    package let activity: Activity
    /// Whether it is to commit what it has and stop.
    package let isStopping: @Sendable () -> Bool
    /// How many values more it may put; `nil`: any number. It is asked again after each chunk.
    package let room: () -> Int?
    /// A queue's items behind one, in order: what was put before can be looked at.
    package let items: @Sendable (QueueName, ItemID?, Int) async throws -> [ItemRecord]
    /// Commits a chunk; throws ``LeatError/Code/fenced`` when the shard has been taken over.
    package let emit: (SourceChunk) async throws -> Void

    package init(
        hold: ShardHold, batch: Int, activity: Activity, isStopping: @escaping @Sendable () -> Bool,
        room: @escaping () -> Int? = { nil },
        items: @escaping @Sendable (QueueName, ItemID?, Int) async throws -> [ItemRecord] = { _, _, _ in [] },
        emit: @escaping (SourceChunk) async throws -> Void
    ) {
        self.hold = hold
        self.batch = batch
        self.activity = activity
        self.isStopping = isStopping
        self.room = room
        self.items = items
        self.emit = emit
    }

    /// How many values the next chunk may have.
    package var chunkLimit: Int { min(batch, room() ?? batch) }

    /// How long a value may wait for others to fill its chunk.
    static let patience: Duration = .seconds(1)
}

extension SourceRun {
    /// What makes a sequence may take no longer than one of its values.
    func timed<Values>(_ make: () async throws -> Values) async throws -> Values {
        activity.begin(nil)
        defer { activity.rest() }
        return try await make()
    }

    /// Takes a sequence's values to its end, or as many as it may put, in chunks.
    func pump<Tracker: SourceTracker>(_ values: DrawnValues<Tracker.Element>, _ start: Tracker) async throws {
        var chunk = ChunkCollector(start, limit: chunkLimit)
        defer { activity.rest() }
        while !isStopping() {
            let now = activity.begin(nil)
            guard let value = values.next() else {
                activity.rest()
                return try await emit(chunk.takeLast())
            }
            do {
                try chunk.add(value, at: now)
            } catch {
                activity.rest()
                try await saveProgress(&chunk)
                throw error
            }
            if chunk.isDue(at: now) {
                activity.rest()
                try await saveProgress(&chunk)
                if room() == 0 { return }
            }
        }
        activity.rest()
        try await saveProgress(&chunk)
    }

    /// Takes an asynchronous sequence's values to its end, or as many as it may put, in chunks; what has waited for a second goes as it is.
    ///
    /// A child task runs the sequence, so that its waiting does not hold back what it has given already.
    func pump<Values: AsyncSequence & SendableMetatype, Tracker: SourceTracker>(
        from values: @escaping @Sendable () async throws -> Values, _ start: Tracker
    ) async throws where Tracker.Element == Values.Element {
        try await pump(start) { put in
            for try await value in try await values() {
                guard await put(value) else { return }
            }
        }
    }

    /// Takes what a function gives, to its end, in chunks.
    ///
    /// - Parameter function: gives a value to its argument, which waits for room and tells whether more is wanted.
    package func pump<Tracker: SourceTracker>(
        _ start: Tracker,
        from function: @escaping @Sendable (@escaping @Sendable (Tracker.Element) async -> Bool) async throws -> Void
    ) async throws {
        let feed = Feed<Tracker.Element>(limit: batch)
        try await withTaskCancellationOrGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    do {
                        try await function { await feed.put($0) }
                        feed.end(nil)
                    } catch {
                        feed.end(error)
                    }
                }
                group.addTask { [time = activity.time] in
                    while !Task.isCancelled {
                        // Cancelled when the sequence is at its end: then nobody needs the tick.
                        do { try await time.sleep(for: Self.patience) } catch { return }
                        feed.flush()
                    }
                }
                defer { group.cancelAll() }
                defer { feed.stop() }
                try await pump(out: feed, start)
            }
        } onCancelOrGracefulShutdown: {
            feed.stop()
        }
    }

    private func pump<Tracker: SourceTracker>(out feed: Feed<Tracker.Element>, _ start: Tracker) async throws {
        var chunk = ChunkCollector(start, limit: chunkLimit)
        while true {
            let taken = await feed.take()
            do {
                for value in taken.values {
                    try chunk.add(value, at: 0)
                    // What is behind it was taken, and is not put: it comes again after the cursor.
                    guard chunk.isFull, room() != nil else { continue }
                    try await saveProgress(&chunk)
                    if room() == 0 { return }
                }
                if let error = taken.error { throw error }
            } catch {
                try await saveProgress(&chunk)
                throw error
            }
            if taken.isEnd { return try await emit(chunk.takeLast()) }
            try await saveProgress(&chunk)
            if taken.isStopped { return }
        }
    }

    /// What was taken, also before a stop or an error, is kept.
    private func saveProgress(_ chunk: inout ChunkCollector<some SourceTracker>) async throws {
        guard !chunk.isEmpty else { return }
        try await emit(chunk.take())
        chunk.limit = chunkLimit
    }
}

/// A sequence's values, one after the other. What draws them is compiled with the user's program, which knows the sequence:
/// where only its protocol is known each value takes several times as long.
@usableFromInline
struct DrawnValues<Value> {
    @usableFromInline let next: () -> Value?

    @inlinable
    init(_ values: some Sequence<Value>) {
        var iterator = values.makeIterator()
        next = { iterator.next() }
    }
}

/// Values on their way to a chunk.
private struct ChunkCollector<Tracker: SourceTracker> {
    var tracker: Tracker
    var limit: Int
    private var outputs: [Output] = []
    private var began: Int64 = 0
    private let patience = SourceRun.patience.nanoseconds

    init(_ tracker: Tracker, limit: Int) {
        self.tracker = tracker
        self.limit = limit
    }

    var isEmpty: Bool { outputs.isEmpty }
    var isFull: Bool { outputs.count >= limit }

    mutating func add(_ value: Tracker.Element, at now: Int64) throws {
        if outputs.isEmpty { began = now }
        let before = outputs.count
        do {
            try tracker.take(value, into: &outputs)
        } catch {
            // What was before it is still put: not a part of it.
            outputs.removeSubrange(before...)
            throw error
        }
    }

    func isDue(at now: Int64) -> Bool {
        isFull || (!outputs.isEmpty && now - began >= patience)
    }

    mutating func take() throws -> SourceChunk {
        defer {
            outputs = []
            outputs.reserveCapacity(limit)
        }
        return SourceChunk(outputs: outputs, cursor: try tracker.cursor(), isLast: false)
    }

    mutating func takeLast() throws -> SourceChunk {
        try tracker.finish(into: &outputs)
        var chunk = try take()
        chunk.isLast = true
        return chunk
    }
}
