internal import Leat
internal import Synchronization

/// Mode `ack`: messages both ways.
final class AckWords: Dialect {
    private struct State {
        /// It has said that it speaks the protocol.
        var hasGreeted = false
        var inHand: Set<ItemID> = []
        /// What was made of items that are not done yet.
        var emitted: [ItemID: [Output]] = [:]
    }

    private let stage: StageName
    private let run: String
    private let queue: QueueName
    private let window: Int
    private let reader: OutputReader
    private let state = Mutex(State())

    init(_ stage: StageName, _ queue: QueueName, run: String, window: Int, _ reader: OutputReader) {
        self.stage = stage
        self.queue = queue
        self.run = run
        self.window = window
        self.reader = reader
    }

    func greeting() -> [UInt8] { AckProtocol.hello(stage: stage, run: run, window: window) }
    func farewell(_ ending: StreamEnding) -> [UInt8] { AckProtocol.end(ending) }
    var unanswered: [ItemID] { state.withLock { $0.inHand.sorted() } }
    var lack: String? {
        state.withLock { $0.hasGreeted }
            ? nil
            : "a command of mode ack begins with the line {\"hello\":\(AckProtocol.version)}, and this one did not"
    }
    var holdBack: Duration? { nil }
    func answeredAll(afterClosing duration: Duration?) {}

    func ask(_ item: Item) throws -> [UInt8] {
        let line = try AckProtocol.item(item, key: "\(run)/\(queue)/\(item.id)/\(item.generation)")
        state.withLock { _ = $0.inHand.insert(item.id) }
        return line
    }

    var idleAdvice: RetryAdvice { .backOff }

    func understand(_ lines: [[UInt8]], isLast: Bool) -> Understood {
        var understood = Understood()
        // A message without its end is half of one, whatever it looks like.
        if isLast, let line = lines.first {
            understood.log.append("The last message \(excerpt(line)) has no end, and is left out.")
        }
        for line in lines where !line.isEmpty && !isLast {
            understood.isIdle = state.withLock { $0.inHand.isEmpty }
            do {
                try understand(line, &understood)
            } catch {
                understood.problem = error
                break
            }
        }
        return understood
    }

    private func understand(_ line: [UInt8], _ understood: inout Understood) throws {
        let hasGreeted = state.withLock { $0.hasGreeted }
        let message: AckMessage
        do {
            message = try AckMessage(line)
        } catch let error as CommandProtocolError where !hasGreeted {
            throw notGreeted("\(error)")
        }
        understood.isSign = true
        switch message {
        case .hello(let version):
            guard version == AckProtocol.version else {
                throw StageError(
                    "the command speaks version \(version) of the protocol, and this is version \(AckProtocol.version)",
                    .never)
            }
            state.withLock { $0.hasGreeted = true }
        case _ where !hasGreeted: throw notGreeted("its first line is \(excerpt(line))")
        case .acknowledge(let items, let values):
            let outputs = try read(values, of: items, line)
            let emitted = try settle(items, line)
            understood.answers.append(.init(items: items, outcome: .done, outputs: emitted + outputs))
        case .emit(let item, let values):
            let outputs = try read(values, of: [item], line)
            state.withLock { $0.emitted[item, default: []] += outputs }
        case .fail(let item, let reason, let advice):
            _ = try settle([item], line)
            understood.answers.append(.init(items: [item], outcome: .failed(Failure(reason, advice))))
        case .release(let items):
            _ = try settle(items, line)
            understood.answers.append(.init(items: items, outcome: .released))
        case .progress: break
        case .log(let text): understood.log.append(text)
        }
    }

    /// No item is to blame for a program that does not speak the protocol.
    private func notGreeted(_ what: String) -> StageError {
        StageError(
            "a command of mode ack begins with the line {\"hello\":\(AckProtocol.version)}, and this one does not: \(what)"
        )
    }

    private func read(_ values: [JSONText], of items: [ItemID], _ line: [UInt8]) throws -> [Output] {
        try check(items, line)
        var outputs: [Output] = []
        for value in values { try reader.read(value, into: &outputs) }
        return outputs
    }

    private func check(_ items: [ItemID], _ line: [UInt8]) throws {
        let stranger = state.withLock { state in items.first { !state.inHand.contains($0) } }
        guard let stranger else { return }
        throw CommandProtocolError(
            "the message \(excerpt(line)) names item \(stranger), which it does not have: it was answered before, or never given"
        )
    }

    /// They are answered. What was emitted for them before goes with that, if they are done.
    private func settle(_ items: [ItemID], _ line: [UInt8]) throws -> [Output] {
        try check(items, line)
        return state.withLock { state in
            items.flatMap { item in
                state.inHand.remove(item)
                var outputs = state.emitted.removeValue(forKey: item) ?? []
                for index in outputs.indices { outputs[index].parent = item }
                return outputs
            }
        }
    }

    func leftBehind(
        _ count: Int, isAlone: Bool, hasAnswered: Bool, _ ending: StreamEnding?
    ) -> (any Error)? {
        // At a drain it may leave what it has not begun; and before its end it may have had enough.
        if !isAlone, ending == .drain || (ending == nil && hasAnswered) { return nil }
        return CommandProtocolError(
            "it exited with status 0 and left \(count == 1 ? "an item" : "\(count) items") without an answer")
    }
}
