internal import Synchronization

/// What a worker has in hand, and since when: one call of the stage's function.
///
/// The worker writes it, the heartbeat's thread reads it to find a call that takes
/// too long, and ``ItemContext`` reads it for the function itself. It is bound as
/// a task-local value once a batch and changed in place for each item, since
/// binding one for each would cost an allocation an item.
///
/// Cost: a reading of the clock and an uncontended lock for each unit.
package final class Activity: Sendable {
    @TaskLocal package static var current: Activity?

    /// One call that has taken too long.
    package struct Overdue: Sendable, Hashable {
        /// Tells one call from the next.
        package var serial: Int64
        /// `nil` when the call is on more than one item, or on none.
        package var item: ItemID?
        /// The call is made inside the store's transaction: it holds the lock that whoever wants to write waits for.
        package var isInTransaction: Bool
    }

    private struct State {
        var serial: Int64 = 0
        var began: Int64?
        /// Of a call on one item: it, or its place in ``row``.
        var item: Item?
        var place: Int?
        /// What is worked on one after the other. An item of it is not copied for its call.
        var row: [Item] = []
        /// Of a call on several items.
        var items: [Item] = []
        var isInTransaction = false
        /// Calls that are made side by side, each with a box of its own.
        var open: [ObjectIdentifier: Activity] = [:]

        var current: Item? { item ?? place.map { row[$0] } }
    }

    private let stage: StageName
    let queue: QueueName?
    package let runID: String
    let time: any TimeSource
    private let state = Mutex(State())

    package init(stage: StageName, queue: QueueName?, runID: String, time: any TimeSource) {
        self.stage = stage
        self.queue = queue
        self.runID = runID
        self.time = time
    }

    /// A call begins: on one item, or on none in particular.
    ///
    /// - Returns: the instant.
    @discardableResult
    package func begin(_ item: Item?, inTransaction isInTransaction: Bool = false) -> Int64 {
        let now = time.instant
        state.withLock { state in
            state.serial += 1
            state.began = now
            (state.item, state.place) = (item, nil)
            state.isInTransaction = isInTransaction
        }
        return now
    }

    /// A call begins on one of those that are worked on one after the other.
    ///
    /// - Parameter items: the same as before, until ``rest()``.
    /// - Returns: the instant.
    @discardableResult
    func begin(_ place: Int, of items: [Item]) -> Int64 {
        let now = time.instant
        state.withLock { state in
            state.serial += 1
            state.began = now
            if state.row.isEmpty { state.row = items }
            (state.item, state.place) = (nil, place)
            state.isInTransaction = false
        }
        return now
    }

    /// A call on several items begins.
    package func begin(batch items: [Item], inTransaction isInTransaction: Bool = false) {
        let now = time.instant
        state.withLock { state in
            state.serial += 1
            state.began = now
            (state.item, state.place) = (items.count == 1 ? items[0] : nil, nil)
            state.items = items
            state.isInTransaction = isInTransaction
        }
    }

    /// Nothing of the user's is running.
    package func rest() {
        state.withLock { state in
            state.began = nil
            state.item = nil
            state.place = nil
            if !state.row.isEmpty { state.row = [] }
            if !state.items.isEmpty { state.items = [] }
        }
    }

    /// The call in hand has shown that it goes on: its time begins anew.
    ///
    /// Of calls side by side each has a box of its own (``current``), and is prolonged by itself.
    package func prolong() {
        let now = time.instant
        state.withLock { state in
            if state.began != nil { state.began = now }
        }
    }

    /// A call on one item begins beside others.
    func open(_ item: Item) -> Activity {
        let own = Activity(stage: stage, queue: queue, runID: runID, time: time)
        own.begin(item)
        state.withLock { state in
            state.serial += 1
            own.state.withLock { $0.serial = state.serial }
            state.open[ObjectIdentifier(own)] = own
        }
        return own
    }

    /// Such a call is over.
    func close(_ own: Activity) { state.withLock { _ = $0.open.removeValue(forKey: ObjectIdentifier(own)) } }

    /// The process stood still for so long, and the calls in hand with it.
    package func stoodStill(for lost: Duration) {
        let open = state.withLock { state in
            if let began = state.began { state.began = began + lost.nanoseconds }
            return state.open.values
        }
        for own in open { own.stoodStill(for: lost) }
    }

    /// The call in hand if it has taken longer than `limit`.
    package func overdue(_ limit: Duration) -> Overdue? {
        let now = time.instant
        let (overdue, open) = state.withLock { state -> (Overdue?, [Activity]) in
            guard let began = state.began, now - began > limit.nanoseconds else {
                return (nil, Array(state.open.values))
            }
            return (
                Overdue(serial: state.serial, item: state.current?.id, isInTransaction: state.isInTransaction), []
            )
        }
        return overdue ?? open.lazy.compactMap { $0.overdue(limit) }.min { $0.serial < $1.serial }
    }

    var context: ItemContext? { state.withLock { $0.current }.flatMap(context(of:)) }
    var batchContext: [ItemContext] { state.withLock { $0.items }.compactMap(context(of:)) }

    private func context(of item: Item) -> ItemContext? {
        guard let queue else { return nil }
        return ItemContext(
            item: item.id, attempt: item.attempts + 1, stage: stage, queue: queue, runID: runID,
            generation: item.generation, headers: item.headers)
    }
}
