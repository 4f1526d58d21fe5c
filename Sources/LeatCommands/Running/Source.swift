internal import Leat
internal import LeatProcess

/// A process without input, each of whose lines is an item, or a message with items and a cursor.
extension CommandStage {
    func produce(_ run: SourceRun) async throws {
        switch entry.cursor {
        case .line: try await produce(run, LineTracker(reader, run.hold))
        case .own: try await produce(run, MessageTracker(reader, run.hold))
        case .key: try await produce(run, AnewTracker(reader, run.hold, needsKeys: true))
        case .none: try await produce(run, AnewTracker(reader, run.hold, needsKeys: false))
        }
    }

    private func produce<Tracker: SourceTracker>(_ run: SourceRun, _ tracker: Tracker) async throws
    where Tracker.Element == [UInt8] {
        var variables = ["LEAT_SHARD": run.hold.id.shard.rawValue, "LEAT_RUN": run.activity.runID]
        if entry.cursor == .own, let cursor = run.hold.cursor { variables["LEAT_CURSOR"] = MessageTracker.told(cursor) }
        let errors = errorOutput("source \(run.hold.id)")
        let start = ContinuousClock.now
        do {
            try await run.pump(tracker) { [variables] put in
                let (rest, end) = try await command(variables, timeout: timeout).run(
                    guardian: host.guardian(), errors: errors
                ) { running in
                    await running.closeInput()
                    return try await feed(running, put)
                }
                // Nobody wants to hear the rest, so how it ended does not matter.
                guard let last = rest.last else { throw CancellationError() }
                let verdict = ExitVerdict(of: end, pause: pause)
                if let failure = failure(verdict, end, errors, took: start.duration(to: .now)) { throw failure }
                // A last line without an end is a whole one only if the command says that it is at its end.
                if !last.isEmpty { _ = await put(last) }
            }
        } catch let error as ChangedLines {
            throw try await error.refusal(run, lineQueue)
        } catch {
            throw failure(error, errors, took: start.duration(to: .now))
        }
    }

    /// The queue whose items are this source's lines, one by one.
    private var lineQueue: QueueName? {
        guard case .all(let queues) = entry.to, entry.shards.isEmpty else { return nil }
        return queues.first
    }

    /// Puts each line that has its end.
    ///
    /// - Returns: the rest, which has no end; `nil` when no more is wanted.
    private func feed(
        _ running: RunningCommand, _ put: @escaping @Sendable ([UInt8]) async -> Bool
    ) async throws -> Rest {
        let limit = Int(clamping: entry.outputLimit)
        var splitter = LineSplitter(limit: limit)
        do {
            try await running.output { piece in
                let lines: [[UInt8]]
                do {
                    lines = try splitter.add(piece)
                } catch let error as LineSplitter.TooLong {
                    // What it wrote before is put, as it is when the line is wrong in another way.
                    running.rest()
                    for line in error.before { guard await put(line) else { throw NotWanted() } }
                    throw CommandProtocolError(
                        "it wrote a line of more than \(limit) bytes, the most that 'limits: output' allows")
                }
                // While its items wait for room it is not expected to go on.
                running.rest()
                for line in lines { guard await put(line) else { throw NotWanted() } }
                running.expect()
            }
        } catch is NotWanted {
            running.end(.stopped)
            return Rest(last: nil)
        }
        return Rest(last: splitter.finish() ?? [])
    }
}

private struct Rest: Sendable { let last: [UInt8]? }
private struct NotWanted: Error {}
