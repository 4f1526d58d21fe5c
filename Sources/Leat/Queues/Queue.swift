#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// A durable queue on its own: anybody puts, anybody claims, and nothing that was put is lost or handed to two at once.
///
/// It needs no pipeline. What is claimed stays the claimer's for a time; when that is over, or the claimer's process has
/// died, it is ready again, and whatever the late claimer still says of it is refused.
///
/// ```swift
/// let store = try await SQLiteStore.open("app.db")
/// let mails = try await store.queue("mails", of: Mail.self)
/// try await mails.put(Mail(to: "a@example.com"))
///
/// for try await item in mails.items(for: .seconds(30)) {
///     try await send(item.value, idempotencyKey: item.idempotencyKey)
///     try await item.acknowledge()
/// }
/// ```
///
/// A queue of a pipeline may be opened as well, to put into it from outside; what takes from it is its stage.
///
/// - Note: One handle is one claimer, whatever number of tasks use it. Copies are the same handle. When the last copy and
///   all that it claimed are gone, what was not settled is handed back.
public struct Queue<Value: Codable & Sendable>: Sendable {
    public let name: QueueName
    package let store: any Store
    /// What it does is told to, if anybody listens.
    let observation: Observation?
    package let coder: PayloadCoder<Value>
    package let taker: QueueTaker
    private let order: ItemOrder<Value>

    package init(_ name: QueueName, _ stage: StageSpec, order: ItemOrder<Value>, on store: any Store) {
        self.name = name
        self.order = order
        observation = (store as? ObservedStore)?.observation
        self.store = store
        coder = PayloadCoder()
        taker = QueueTaker(stage, on: store, pid: getpid())
    }

    private init(_ other: Queue, _ taker: QueueTaker) {
        name = other.name
        order = other.order
        observation = other.observation
        store = other.store
        coder = other.coder
        self.taker = taker
    }

    /// A handle of its own on the same queue: what it claims, and what it hands back, is its own.
    package func another() -> Queue { Queue(self, taker.another()) }
}

extension Store {
    /// Opens a queue, and makes it when it isn't there.
    ///
    /// - Parameters:
    ///   - name: becomes part of its tables' names.
    ///   - type: of its values: `String` and `[UInt8]` are kept as they are, others as JSON.
    ///   - order: in which the items that this handle puts are worked on.
    ///   - policy: replaces what is written down; `nil` leaves that, and is ``QueuePolicy``'s
    ///     defaults for a new queue.
    /// - Throws: ``LeatError/Code/refused`` for a policy when the queue belongs to a pipeline.
    ///
    /// Cost: one transaction.
    public func queue<Value>(
        _ name: QueueName, of type: Value.Type = Value.self, order: ItemOrder<Value> = .loose,
        policy: QueuePolicy? = nil
    ) async throws -> Queue<Value> {
        let store = ObservedStore.observing(self)
        return Queue(name, try await store.makeQueue(name, policy: policy?.ofStage), order: order, on: store)
    }
}

// MARK: Putting

extension Queue {
    /// Puts a value; it is there for good when this returns.
    ///
    /// - Parameters:
    ///   - value: has at most ``Payload/limit`` bytes as a payload.
    ///   - key: Unique among the queue's items that are kept, done ones too: a second put under it does nothing.
    ///   - group: Of the items of a group one is handed out at a time, in the order of putting; `nil`: as the handle's
    ///     order says.
    ///   - due: From when on it may be handed out.
    ///   - priority: Higher first; 0 or more.
    /// - Returns: whether it was put: `false` if an item of that key is there already.
    /// - Throws: ``LeatError/Code/queueClosed`` when the queue is sealed and so closed; `CancellationError` when the task
    ///   is cancelled while it waits for room in a bounded queue.
    ///
    /// Cost: one synced transaction; putting many at once is many times faster.
    @discardableResult
    public func put(
        _ value: Value, key: String? = nil, group: String? = nil, due: Due = .now, priority: Int = 0
    ) async throws -> Bool {
        try await put([output(value, key: key, group: group, due: due, priority: priority)]) > 0
    }

    /// Puts values in one transaction, in their order.
    ///
    /// ```swift
    /// try await orders.put(contentsOf: batch, keyedBy: \.number)
    /// ```
    ///
    /// - Parameters:
    ///   - values: none is nothing to do.
    ///   - key: gives each value's key; see ``put(_:key:group:due:priority:)``.
    ///   - due: From when on they may be handed out.
    ///   - priority: Higher first; 0 or more.
    /// - Returns: how many were put: those whose key was there already are not.
    @discardableResult
    public func put(
        contentsOf values: some Sequence<Value>, keyedBy key: (Value) -> String? = { _ in nil },
        due: Due = .now, priority: Int = 0
    ) async throws -> Int {
        let outputs = try self.outputs(values, keyedBy: key, due: due, priority: priority)
        return outputs.isEmpty ? 0 : try await put(outputs)
    }

    /// The same with a key and a group of its own for each value, and without waiting for room.
    package func put(
        _ items: [(value: Value, key: String?, group: String?)], due: Due, priority: Int
    ) async throws -> Int {
        try await put(
            items.map { try output($0.value, key: $0.key, group: $0.group, due: due, priority: priority) },
            waiting: false)
    }

    private func put(_ outputs: [Output], waiting: Bool = true) async throws -> Int {
        if waiting { try await waitForRoom() }
        guard let observation else { return try await store.put(outputs) }
        var outputs = outputs
        return try await observation.putting(into: name, &outputs) { try await store.put($0) }
    }

    /// Waits as long as the queue holds as much as it may. Not whoever works on an item of it just now: that item counts, so
    /// that all might wait for each other.
    ///
    /// - Parameter isFull: called once, if it has to wait.
    package func waitForRoom(isFull: () -> Void = {}) async throws {
        guard taker.isBounded, Activity.current?.queue != name else { return }
        var mark: ChangeMark?
        while try await store.isFull(name) {
            if mark == nil { isFull() }
            mark = try await store.change(of: .room(in: name), since: mark, within: .seconds(1))
        }
    }

    package func output(
        _ value: Value, key: String?, group: String?, due: Due, priority: Int
    ) throws -> Output {
        guard priority >= 0 else {
            throw LeatError(
                .refused,
                "An item for queue '\(name)' has priority \(priority), and the least is 0; give others a higher one.")
        }
        return Output(
            try coder.encode(value), to: name, key: key, group: group ?? order.group?(value), due: due,
            priority: priority)
    }

    package func outputs(
        _ values: some Sequence<Value>, keyedBy key: (Value) -> String?, due: Due, priority: Int
    ) throws -> [Output] {
        try values.map { try output($0, key: key($0), group: nil, due: due, priority: priority) }
    }
}

// MARK: Claiming

extension Queue {
    /// Claims ready items, those off the straight path (retried, prioritised) first, then in the order of putting.
    ///
    /// ```swift
    /// switch try await mails.claim(upTo: 100, for: .seconds(30)) {
    /// case .granted(let batch): try await work(on: batch)
    /// case .empty: break  // nothing is ready now
    /// case .finished: return  // and nothing ever will be
    /// }
    /// ```
    ///
    /// An item whose payload can't be read as a `Value` is a dead letter at once, and not handed out.
    ///
    /// - Parameters:
    ///   - limit: At most so many; fewer do not mean that the queue is empty.
    ///   - duration: How long they stay this handle's, unless it renews the lease.
    ///   - patience: How long to wait for an item when none is ready.
    /// - Throws: ``LeatError/Code/tripped`` when the queue's breaker has, ``LeatError/Code/refused`` when a pipeline's stage
    ///   takes from it, ``LeatError/Code/payload`` when none of its first items is a `Value`,
    ///   ``LeatError/Code/diskFull`` when no room is left for new work, which is not waited for.
    ///
    /// Cost: one transaction, whatever the limit and however long the queue.
    public func claim(
        upTo limit: Int = 1, for duration: Duration, waiting patience: Duration = .zero
    ) async throws -> QueueClaim<Value> {
        guard limit >= 1, duration > .zero else {
            throw LeatError(
                .refused,
                "A claim from queue '\(name)' asks for \(limit) items for \(duration); ask for at least one, for some time."
            )
        }
        let end = store.time.now + patience
        var mark: ChangeMark?
        while true {
            let claim = try await claimNow(upTo: limit, for: duration)
            guard case .empty(let due) = claim else { return claim }
            let left = end - store.time.now
            guard left > .zero else { return claim }
            mark = try await wait(since: mark, due: due, atMost: left)
        }
    }

    /// Waits for a commit, or until something is due; at most a second, so that whoever has died is found.
    func wait(since mark: ChangeMark?, due: Duration?, atMost limit: Duration = .seconds(1)) async throws -> ChangeMark
    {
        let pause = min(due.map { max($0, .milliseconds(1)) } ?? .seconds(1), .seconds(1), limit)
        return try await store.change(of: .work(in: name), since: mark, within: pause)
    }

    private func claimNow(upTo limit: Int, for duration: Duration) async throws -> QueueClaim<Value> {
        // Before anything is held.
        let run = try await taker.runID()
        while true {
            switch try await taker.claim(upTo: limit, for: duration) {
            case .granted(let lease):
                guard let batch = try await read(lease, run) else { continue }
                return .granted(batch)
            case .settleFirst: return .empty(dueIn: nil)
            case .nothing(let until):
                return .empty(dueIn: until.map { .milliseconds(max($0 - store.time.wallClock, 0)) })
            case .finished: return .finished
            case .full:
                throw LeatError(
                    .storeFailed, "Queue '\(name)' puts into no other, and yet one is full; run verify.")
            case .refused(let reason):
                throw LeatError(
                    .tripped,
                    "Queue '\(name)' hands out nothing since its breaker tripped: \(reason); mend it, then order a restart of '\(name)'."
                )
            }
        }
    }

    /// - Returns: `nil` when none of the items could be read, or all are another's by now.
    private func read(_ lease: Lease, _ run: String) async throws -> QueueBatch<Value>? {
        let held = HeldItems(lease, store, taker, run)
        var items: [QueueItem<Value>] = []
        var unreadable: [ItemID: Outcome] = [:]
        for item in lease.items {
            do {
                items.append(QueueItem(item, try coder.decode(item.payload), held))
            } catch {
                unreadable[item.id] = .failed(Failure(from: error))
            }
        }
        do {
            // A queue that holds something else altogether is not to be buried item by item.
            if await taker.read(items.count, unreadable: unreadable.count) >= 5 {
                try await held.settleRest(.released)
                throw LeatError(
                    .payload,
                    "None of the first items of queue '\(name)' can be read as \(Value.self) (item \(lease.items[0].id): \(unreadable[lease.items[0].id]?.reason ?? "")); is it the right type? They were handed back."
                )
            }
            if !unreadable.isEmpty { try await held.settle(unreadable) }
        } catch let error where error.isLateStep {
            return nil
        } catch {
            // Nobody will have the others in hand. Should that fail too, their time ends.
            try? await held.settleRest(.released)
            throw error
        }
        return items.isEmpty ? nil : QueueBatch(items: items, held: held)
    }

    /// Hands back what this handle has claimed and not settled, without blame. It may claim again afterwards.
    ///
    /// Call it before the program ends: otherwise others wait until they find that it is gone.
    public func handBack() async throws { try await taker.end() }
}

// MARK: The end

extension Queue {
    /// Refuses further items: the queue is closed, and finished when those that it has are settled. One that stages of a
    /// pipeline feed closes when they have ended.
    public func seal() async throws { try await store.seal(name, by: "program") }

    /// Takes items again.
    public func reopen() async throws { try await store.reopen(name, by: "program") }

    /// How many items it has in each state.
    public func status() async throws -> QueueStatus {
        guard let status = try await store.queues().first(where: { $0.queue == name }) else {
            throw LeatError(.notFound, "There is no queue '\(name)' any more.")
        }
        return status
    }
}
