/// What a sequence of items does when nothing is ready.
public enum WhenEmpty: Sendable, Hashable, CaseIterable {
    /// Waits until something is, and ends when nothing ever will be.
    case wait
    /// Ends.
    case end
}

/// The items of a queue as they are claimed: what ``Queue/items(for:upTo:whenEmpty:)`` gives.
///
/// It ends when the queue is closed and nothing of it is left. As long as others have some in hand it waits, since that may
/// come back; but when this handle holds some as well, it ends, so that you can settle them. A cancelled task gets a
/// `CancellationError`, so that the end of the sequence is the end of the queue.
public struct QueueItems<Value: Codable & Sendable>: AsyncSequence, Sendable {
    public typealias Element = QueueItem<Value>

    let queue: Queue<Value>
    let duration: Duration
    let limit: Int
    let whenEmpty: WhenEmpty

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(items: self) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let items: QueueItems
        private var claimed: ArraySlice<QueueItem<Value>> = []
        private var mark: ChangeMark?

        init(items: QueueItems) { self.items = items }

        public mutating func next() async throws -> QueueItem<Value>? {
            while true {
                if let item = claimed.popFirst() { return item }
                try Task.checkCancellation()
                switch try await items.queue.claim(upTo: items.limit, for: items.duration) {
                case .granted(let batch): claimed = batch.items[...]
                case .finished: return nil
                case .empty(let due):
                    guard items.whenEmpty == .wait else { return nil }
                    mark = try await items.queue.wait(since: mark, due: due)
                }
            }
        }
    }
}

extension Queue {
    /// The queue's items, each claimed for a time, until nothing is left and nothing can come.
    ///
    /// ```swift
    /// for try await item in mails.items(for: .seconds(30)) {
    ///     try await send(item.value)
    ///     try await item.acknowledge()
    /// }
    /// ```
    ///
    /// - Parameters:
    ///   - duration: How long an item stays this handle's, from its claim on.
    ///   - limit: How many are claimed at once; each waits for those before it while its time runs.
    ///   - whenEmpty: Whether to wait when nothing is ready.
    /// - Note: Leave the loop early with items claimed ahead, and they are ready again when their time is over, or when
    ///   you call ``handBack()``.
    public func items(for duration: Duration, upTo limit: Int = 1, whenEmpty: WhenEmpty = .wait) -> QueueItems<Value> {
        QueueItems(queue: self, duration: duration, limit: limit, whenEmpty: whenEmpty)
    }
}
