#if canImport(FoundationEssentials)
public import struct FoundationEssentials.Date
#else
public import struct Foundation.Date
#endif

extension Producer {
    /// Puts a value for each tick of a schedule: exactly one, whatever crashes.
    ///
    /// Its ticks begin when it is first run. Those that come while it does not run get their values when it runs again,
    /// all or the last one. It ends with its last tick; without an end it goes on for ever, and so does its pipeline.
    ///
    /// ```swift
    /// Producer("nightly", to: reports, on: .cron("30 2 * * *")) { (night: Date) in Report(of: night) }
    /// ```
    ///
    /// - Parameters:
    ///   - name: the stage's identity.
    ///   - queue: the queue that it puts into.
    ///   - schedule: its ticks.
    ///   - missed: What becomes of ticks that came while it did not run.
    ///   - end: No tick after this.
    ///   - value: called with a tick; `nil` gives it no item.
    public init<Value>(
        _ name: StageName, to queue: QueueReference<Value>, on schedule: Schedule, missed: MissedTicks = .each,
        until end: Date? = nil, _ value: @escaping @Sendable (Date) async throws -> Value?
    ) {
        let type = ValueType(Value.self, isGrouped: queue.isGrouped)
        self.init(name, outputs: [queue.name], outputTypes: [queue.name: type]) { run in
            let ticking = Ticking(
                schedule: schedule, missed: missed, end: end?.milliseconds, time: run.activity.time)
            try ticking.refuseNever()
            try await run.tick(ticking) { tick in
                try await value(Date(milliseconds: tick)).map { try queue.output($0) }
            }
        }
    }
}

extension SourceRun {
    /// Emits the items of ticks, with the last tick as the cursor.
    fileprivate func tick(_ ticking: Ticking, _ output: (Int64) async throws -> Output?) async throws {
        var last = try await begin(at: ticking.time.wallClock)
        while !isStopping() {
            switch ticking.turn(after: last, upTo: chunkLimit) {
            case .put(let ticks):
                var outputs: [Output] = []
                for tick in ticks {
                    if let output = try await timed({ try await output(tick) }) { outputs.append(output) }
                    last = tick
                }
                try await emit(SourceChunk(outputs: outputs, cursor: "\(last)", isLast: false))
                if room() == 0 { return }
            case .wait(let pause):
                // Cut short, it is asked again whether it is to stop.
                do { try await ticking.wait(pause) } catch is CancellationError { continue }
            case .finish: return try await emit(SourceChunk(outputs: [], cursor: nil, isLast: true))
            }
        }
    }

    /// Where it goes on. The beginning is written down too: a tick that comes before the first item is put is not lost.
    private func begin(at now: Int64) async throws -> Int64 {
        guard let cursor = hold.cursor else {
            try await emit(SourceChunk(outputs: [], cursor: "\(now)", isLast: false))
            return now
        }
        guard let last = Int64(cursor) else {
            throw LeatError(
                .cannotResume,
                "Producer '\(hold.id)' can't go on: its saved cursor '\(printable(cursor))' is no tick; was it another kind of producer? Start with a new file."
            )
        }
        return last
    }
}
