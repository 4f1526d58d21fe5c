internal import Leat
internal import Synchronization

/// Mode `stream`: a line for a line.
///
/// With an echo the answer to a line waits for the next one: a command that answers twice shows it there, and then the line
/// that it answered twice is not settled yet.
final class StreamWords: Dialect {
    private struct State {
        var matcher: StreamMatcher
        /// The last answer, with its line.
        var latest: (answer: Understood.Answer, line: [UInt8])?
    }

    private let state: Mutex<State>
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
        state = Mutex(State(matcher: StreamMatcher(proof)))
        self.proof = proof
        self.reader = reader
    }

    func greeting() -> [UInt8] { [] }
    func farewell(_ ending: StreamEnding) -> [UInt8] { [] }
    func ask(_ item: Item) throws -> [UInt8] { try state.withLock { try $0.matcher.ask(item) } }
    var unanswered: [ItemID] {
        state.withLock { ($0.latest?.answer.items ?? []) + $0.matcher.unanswered }
    }
    var lack: String? { nil }
    var holdBack: Duration? { memory.patience.map { min($0, longest) } }
    func answeredAll(afterClosing duration: Duration?) { memory.answeredAll(afterClosing: duration, longest: longest) }
    // Who gave his word for the order can't tell what was answered wrongly.
    var idleAdvice: RetryAdvice { proof == .trust ? .never : .backOff }

    func understand(_ lines: [[UInt8]], isLast: Bool) -> Understood {
        state.withLock { state in
            var understood = Understood()
            for line in lines {
                do {
                    let item = try state.matcher.answer(line)
                    if let latest = state.latest { understood.answers.append(latest.answer) }
                    state.latest = (answer(item, line), line)
                } catch {
                    understood.problem = error
                    // It stays unanswered when it is the one that was answered twice.
                    if let latest = state.latest, !state.matcher.isSame(latest.line, line) {
                        understood.answers.append(latest.answer)
                        state.latest = nil
                    }
                    understood.isIdle = state.matcher.inFlight == 0 && state.latest == nil
                    return understood
                }
            }
            if let latest = state.latest, isLast || proof == .trust || state.matcher.inFlight == 0 {
                understood.answers.append(latest.answer)
                state.latest = nil
            }
            return understood
        }
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

    func leftBehind(
        _ count: Int, isAlone: Bool, hasAnswered: Bool, _ ending: StreamEnding?
    ) -> (any Error)? {
        let what = "it exited with status 0 and left \(count) of its lines without an answer"
        if proof == .trust, !isAlone {
            return StageError(
                "\(what); with 'ordered: trust' it can't be told which ones: in mode stream each line is answered by one line",
                .never)
        }
        // What was answered is proved; with an answer to each line the next process goes on.
        return hasAnswered && !isAlone ? nil : CommandProtocolError(what)
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
