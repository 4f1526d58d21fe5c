internal import Leat
internal import Synchronization

/// Mode `stream`: a line for a line.
final class StreamWords: Dialect {
    private let matcher: Mutex<StreamMatcher>
    private let proof: StreamProof
    private let reader: OutputReader
    private let memory: HoldBackMemory
    private let longest: Duration

    /// - Parameters:
    ///   - memory: what is known of the command from its processes before.
    ///   - timeout: how long it has for an answer.
    init(_ proof: StreamProof, _ reader: OutputReader, _ memory: HoldBackMemory, timeout: Duration) {
        self.memory = memory
        longest = timeout / 2
        matcher = Mutex(StreamMatcher(proof))
        self.proof = proof
        self.reader = reader
    }

    func greeting() -> [UInt8] { [] }
    func farewell(_ ending: StreamEnding) -> [UInt8] { [] }
    func ask(_ item: Item) throws -> [UInt8] { try matcher.withLock { try $0.ask(item) } }
    var unanswered: [ItemID] { matcher.withLock { $0.unanswered } }
    var holdBack: Duration? { memory.patience.map { min($0, longest) } }
    func answeredAll(afterClosing duration: Duration?) { memory.answeredAll(afterClosing: duration, longest: longest) }

    func understand(_ lines: [[UInt8]]) -> Understood {
        var understood = Understood()
        for line in lines {
            let isIdle = matcher.withLock { $0.inFlight == 0 }
            do {
                let item = try matcher.withLock { try $0.answer(line) }
                understood.answers.append(answer(item, line))
            } catch {
                // Nothing that it has is to blame. Who gave his word for the order can't tell what was answered wrongly.
                understood.problem = isIdle ? StageError("\(error)", proof == .trust ? .never : .backOff) : error
                break
            }
        }
        return understood
    }

    private func answer(_ item: ItemID, _ line: [UInt8]) -> Understood.Answer {
        var outputs: [Output] = []
        do {
            try reader.read(line, into: &outputs)
            return .init(items: [item], outcome: .done, outputs: outputs)
        } catch {
            return .init(items: [item], outcome: .failed(Failure(from: error)))
        }
    }

    func leftBehind(_ count: Int, isAlone: Bool, _ ending: StreamEnding?) -> (any Error)? {
        let what =
            "it read all of its lines and left \(count) without an answer; in mode stream each line is answered by one line"
        if proof == .trust, !isAlone {
            return StageError("\(what), and which ones were left out can't be told with 'ordered: trust'", .never)
        }
        return CommandProtocolError(what)
    }
}

/// What a worker has learnt of its command's ``HoldBack``.
final class HoldBackMemory: Sendable {
    private let state = Mutex(HoldBack())

    var patience: Duration? { state.withLock { $0.patience } }

    func answeredAll(afterClosing duration: Duration?, longest: Duration) {
        state.withLock { state in
            if let duration { state.flushed(after: duration, longest: longest) } else { state.answeredAll() }
        }
    }
}
