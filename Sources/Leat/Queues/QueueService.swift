public import Logging
public import ServiceLifecycle
internal import Synchronization

/// Works on a queue's items, so many at once, as a service of your program.
///
/// A handler that returns acknowledges its item; what it throws is the item's failure, and waits or dies as the error
/// advises (``AdvisingError``) or the queue's policy says. Leases are renewed while handlers run. On a graceful shutdown
/// nothing more is claimed and what is in hand is finished; when its task is cancelled, what is in hand is handed back.
///
/// ```swift
/// let mailer = QueueService(mails, concurrency: 8, logger: logger) { mail in
///     try await send(mail, idempotencyKey: ItemContext.current?.idempotencyKey)
/// }
/// try await ServiceGroup(services: [mailer], gracefulShutdownSignals: [.sigterm], logger: logger).run()
/// ```
///
/// It returns when the queue is finished, which one that is never sealed never is.
public struct QueueService<Value: Codable & Sendable>: Service {
    private let queue: Queue<Value>
    private let concurrency: Int
    private let lease: Duration
    private let timeout: Duration
    private let onError: (@Sendable (any Error) -> RetryAdvice?)?
    private let handler: @Sendable (Value) async throws -> Void
    private let logger: Logger

    /// - Parameters:
    ///   - queue: one on its own.
    ///   - concurrency: How many items are worked on at once in this process.
    ///   - lease: How long an item stays this process's after the last sign of it. It is renewed three times as often.
    ///   - timeout: How long one call of the handler may take. Then an attempt is spent, and the handler's task
    ///     cancelled; its place is free again when it returns.
    ///   - onError: What is to become of an item by its error, for errors that are not yours; `nil` leaves it to the
    ///     error.
    ///   - logger: of failures and refusals, with the queue, the item and the attempt as metadata.
    ///   - handler: called once an item; what it throws is the item's failure.
    public init(
        _ queue: Queue<Value>, concurrency: Int = 1, lease: Duration = .seconds(30), timeout: Duration = .seconds(60),
        onError: (@Sendable (any Error) -> RetryAdvice?)? = nil, logger: Logger,
        handler: @escaping @Sendable (Value) async throws -> Void
    ) {
        precondition(concurrency >= 1, "a service works on at least one item at once")
        precondition(lease > .zero && timeout > .zero, "a lease and a timeout are longer than nothing")
        self.queue = queue
        self.concurrency = concurrency
        self.lease = lease
        self.timeout = timeout
        self.onError = onError
        self.handler = handler
        var logger = logger
        logger[metadataKey: "queue"] = "\(queue.name)"
        self.logger = logger
    }

    /// - Throws: what the store could not do. What handlers throw is their items' failures.
    public func run() async throws {
        let stop = StopSignal()
        let (events, sender) = AsyncStream.makeStream(of: Event.self)
        try await withTaskCancellationOrGracefulShutdownHandler {
            try await work(events, sender, StorePatience(time: queue.store.time, stop: stop, logger: logger))
        } onCancelOrGracefulShutdown: {
            stop.ask()
            sender.yield(.stop)
        }
    }

    private enum Event {
        /// A handler's place is free again.
        case handled
        /// Something was committed, or a while has passed.
        case looked(ChangeMark?)
        case stop
    }

    private func work(
        _ events: AsyncStream<Event>, _ sender: AsyncStream<Event>.Continuation, _ patience: StorePatience
    ) async throws {
        // Others who use the same handle are not to have what they hold handed back at the end of this.
        let queue = queue.another()
        let run = try await patience.trying { try await queue.taker.runID() }
        do {
            try await work(on: queue, run, events, sender, patience)
        } catch {
            // The first error is the one to tell; should this fail too, the leases end.
            try? await queue.handBack()
            throw error
        }
        try await patience.trying { try await queue.handBack() }
    }

    private func work(
        on queue: Queue<Value>, _ run: String, _ events: AsyncStream<Event>,
        _ sender: AsyncStream<Event>.Continuation, _ patience: StorePatience
    ) async throws {
        let look = Look()
        try await withThrowingDiscardingTaskGroup { group in
            var desk = QueueDesk(places: concurrency)
            var mark: ChangeMark?
            var events = events.makeAsyncIterator()
            while true {
                switch desk.next() {
                case .claim(let limit):
                    let claim: QueueClaim<Value>
                    do {
                        claim = try await patience.trying { [lease] in try await queue.claim(upTo: limit, for: lease) }
                    } catch let error where error.isPassing && patience.stop.isAsked {
                        // Nothing was begun, so nothing is left behind.
                        desk.stop()
                        continue
                    }
                    desk.answered(claim.answer)
                    // What it is woken by from here on is for somebody who has room.
                    if desk.isFull { look.end() }
                    guard case .granted(let batch) = claim else { continue }
                    group.addTask {
                        try await orEnd(sender) { try await handle(batch, run, sender, patience) }
                    }
                case .look(let due):
                    group.addTask { [mark] in
                        try await orEnd(sender) {
                            let seen = try await patience.cutShort {
                                try await look.begin { try await queue.wait(since: mark, due: due) }
                            }
                            sender.yield(.looked(seen ?? mark))
                        }
                    }
                case .wait:
                    // The stream ends with an error of a child, which the group throws.
                    guard let event = await events.next() else { return }
                    switch event {
                    case .handled: desk.handled()
                    case .looked(let seen):
                        mark = seen
                        desk.looked()
                    case .stop: desk.stop()
                    }
                case .finish: return
                }
            }
        }
    }

    /// An error of one task ends the loop over the events too, which the group does not do by itself.
    private func orEnd(_ sender: AsyncStream<Event>.Continuation, _ work: () async throws -> Void) async throws {
        do {
            try await work()
        } catch {
            sender.finish()
            throw error
        }
    }

    // MARK: What is in hand

    /// Works on the items of one lease side by side, and keeps it as long as one of them is in hand.
    private func handle(
        _ batch: QueueBatch<Value>, _ run: String, _ sender: AsyncStream<Event>.Continuation, _ patience: StorePatience
    ) async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                await batch.keepRenewing(for: lease) { logger.warning("A lease could not be renewed: \($0)") }
                return false
            }
            for item in batch.items {
                group.addTask {
                    defer { sender.yield(.handled) }
                    try await handle(item, run, patience)
                    return true
                }
            }
            var left = batch.items.count
            while left > 0, let isItem = try await group.next() { left -= isItem ? 1 : 0 }
            group.cancelAll()
        }
    }

    private func handle(_ item: QueueItem<Value>, _ run: String, _ patience: StorePatience) async throws {
        let activity = Activity(stage: item.held.lease.stage, queue: queue.name, runID: run, time: queue.store.time)
        activity.begin(item.item)
        try await withThrowingTaskGroup(of: Ending.self) { race in
            race.addTask { [handler, observation = queue.observation] in
                do {
                    try await Activity.$current.withValue(activity) {
                        guard let observation else { return try await handler(item.value) }
                        try await observation.calling(item.item, of: item.held.lease.stage, from: queue.name) {
                            try await handler(item.value)
                        }
                    }
                    return .returned
                } catch {
                    return .threw(error)
                }
            }
            race.addTask { [timeout, time = queue.store.time] in
                do {
                    try await time.sleep(for: timeout.bounded)
                    return .timedOut
                } catch {
                    return .waitedInVain
                }
            }
            while let ending = try await race.next() {
                guard let outcome = outcome(of: ending) else { continue }
                try await settle(item, outcome, patience)
                // The handler is still waited for, so that its place is taken as long as it runs.
                race.cancelAll()
                while try await race.next() != nil {}
            }
        }
    }

    private enum Ending: Sendable {
        case returned
        case threw(any Error)
        case timedOut
        /// The service's task was cancelled, and with it the wait for the timeout.
        case waitedInVain
    }

    private func outcome(of ending: Ending) -> Outcome? {
        switch ending {
        case .returned: .done
        case .threw(let error) where error is CancellationError && Task.isCancelled: .released
        case .threw(let error): .failed(Failure(from: error, advisedBy: onError))
        case .timedOut: .failed(Failure("no result within \(timeout)"))
        case .waitedInVain: nil
        }
    }

    private func settle(_ item: QueueItem<Value>, _ outcome: Outcome, _ patience: StorePatience) async throws {
        var logger = logger
        logger[metadataKey: "item"] = "\(item.id)"
        logger[metadataKey: "attempt"] = "\(item.attempt)"
        if case .failed(let failure) = outcome { logger.warning("The item failed: \(failure.reason)") }
        do {
            try await patience.trying { try await item.settle(outcome) }
        } catch let error where error.isLateStep {
            logger.warning("What became of the item came too late and was refused: \(error)")
        }
    }
}

/// One wait for work that can be ended by another task.
private final class Look: Sendable {
    private let task = Mutex<Task<ChangeMark, any Error>?>(nil)

    func begin(_ wait: @escaping @Sendable () async throws -> ChangeMark) async throws -> ChangeMark {
        // Awaited here: it is a task only so that it can be cancelled alone.
        let waiting = Task { try await wait() }
        task.withLock { $0 = waiting }
        return try await withTaskCancellationHandler {
            try await waiting.value
        } onCancel: {
            waiting.cancel()
        }
    }

    func end() { task.withLock { $0.take() }?.cancel() }
}
