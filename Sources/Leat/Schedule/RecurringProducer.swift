public import Logging
public import ServiceLifecycle

#if canImport(FoundationEssentials)
public import struct FoundationEssentials.Date
#else
public import struct Foundation.Date
#endif

/// Puts a value into a queue for each tick of a schedule, as a service of your program: exactly one, whatever crashes, and
/// however many processes run it under the same name.
///
/// A tick and its item are one transaction, so a tick that was put is known to all. Ticks begin when the name is first
/// used. Those that come while nobody runs it get their values when somebody does, all or the last one.
///
/// ```swift
/// let nightly = RecurringProducer("nightly", into: reports, on: .cron("30 2 * * *"), logger: logger) { night in
///     Report(of: night)
/// }
/// try await ServiceGroup(services: [nightly, worker], gracefulShutdownSignals: [.sigterm], logger: logger).run()
/// ```
///
/// A tick does not wait for room in a bounded queue. It returns when it is told to stop, and after its last tick.
public struct RecurringProducer<Value: Codable & Sendable>: Service {
    private let name: ScheduleName
    private let queue: Queue<Value>
    private let ticking: Ticking
    private let value: @Sendable (Date) async throws -> Value?
    private let logger: Logger

    /// - Parameters:
    ///   - name: its identity in the file.
    ///   - queue: what it puts into.
    ///   - schedule: its ticks.
    ///   - missed: What becomes of ticks that came while nobody ran it.
    ///   - end: No tick after this.
    ///   - logger: of waiting for a store that is locked or full.
    ///   - value: called with a tick, by each process that is about to put it; `nil` gives it no item. What it throws
    ///     ends the service, and the tick has no item yet.
    public init(
        _ name: ScheduleName, into queue: Queue<Value>, on schedule: Schedule, missed: MissedTicks = .each,
        until end: Date? = nil, logger: Logger, value: @escaping @Sendable (Date) async throws -> Value?
    ) {
        self.name = name
        self.queue = queue
        ticking = Ticking(schedule: schedule, missed: missed, end: end?.milliseconds, time: queue.store.time)
        self.value = value
        self.logger = logger
    }

    public func run() async throws {
        try ticking.refuseNever()
        let stop = StopSignal()
        let patience = StorePatience(time: queue.store.time, stop: stop, logger: logger)
        try await withTaskCancellationOrGracefulShutdownHandler {
            try await tick(patience)
        } onCancelOrGracefulShutdown: {
            stop.ask()
        }
    }

    private func tick(_ patience: StorePatience) async throws {
        var last = try await stand(patience)
        while !patience.stop.isAsked {
            switch ticking.turn(after: last, upTo: 1) {
            case .put(let ticks):
                guard let tick = ticks.first else { continue }
                let output = try await value(Date(milliseconds: tick)).map {
                    try queue.output($0, key: nil, group: nil, due: .now, priority: 0)
                }
                let wasPut = try await patience.trying { [queue, name, last] in
                    try await queue.store.put(output.map { [$0] } ?? [], at: tick, of: name, after: last)
                }
                // Another has put it, and perhaps more.
                last = wasPut ? tick : try await stand(patience)
            case .wait(let pause):
                // Cut short, it is asked again whether it is to stop.
                do { try await ticking.wait(pause) } catch is CancellationError { continue }
            case .finish: return
            }
        }
    }

    private func stand(_ patience: StorePatience) async throws -> Int64 {
        try await patience.trying { [queue, name] in try await queue.store.begin(name, into: queue.name) }
    }
}
