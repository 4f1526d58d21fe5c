internal import Leat
internal import LeatProcess
internal import Logging
internal import Synchronization

/// What the two kinds of commands that live on say and understand.
protocol Dialect: Sendable {
    /// The first lines, before any item.
    func greeting() -> [UInt8]
    /// The line that gives an item, which is in flight from then on.
    ///
    /// - Throws: ``CommandProtocolError`` for an item that can't be given: it is to blame, and nobody else.
    func ask(_ item: Item) throws -> [UInt8]
    /// The last line.
    func farewell(_ ending: StreamEnding) -> [UInt8]
    /// What the lines of a piece settle, up to one that is not what it should be. Called by one task at a time.
    ///
    /// - Parameter isLast: nothing more will come.
    func understand(_ lines: [[UInt8]], isLast: Bool) -> Understood
    /// What becomes of the stage when the command says something wrong while it has nothing.
    var idleAdvice: RetryAdvice { get }
    /// Items without an answer.
    var unanswered: [ItemID] { get }
    /// What it lacks to be one who speaks this language at all; `nil` if nothing.
    var lack: String? { get }
    /// How long the command may say nothing before the end of its input is to make it write what it holds back; `nil`: for
    /// ever.
    var holdBack: Duration? { get }
    /// It has answered all that it had: while its input was open, or so long after that was closed.
    func answeredAll(afterClosing duration: Duration?)
    /// What is to be said of a command that has exited with status 0 and left items without an answer; `nil`: they are handed
    /// back, and another process goes on.
    ///
    /// - Parameters:
    ///   - isAlone: they were under suspicion.
    ///   - hasAnswered: others of them were answered.
    ///   - ending: what it was told of the end of its input.
    func leftBehind(_ count: Int, isAlone: Bool, hasAnswered: Bool, _ ending: StreamEnding?) -> (any Error)?
}

/// What a command has said.
struct Understood: Sendable {
    var answers: [Answer] = []
    /// It goes on, or speaks to people.
    var isSign = false
    var log: [String] = []
    /// What was wrong with the line after these.
    var problem: (any Error)?
    /// There was nothing that could be to blame for it.
    var isIdle = false

    struct Answer: Sendable {
        /// More than one is settled as a whole.
        var items: [ItemID]
        var outcome: Outcome
        var outputs: [Output] = []
    }
}

/// One call of a long-lived command: a process that is given items as they come, until there are no more for it.
struct LongLived<Words: Dialect>: Sendable {
    let stage: CommandStage
    let desk: StreamDesk
    let words: Words
    let conversation: Conversation
    private let errors: ErrorOutput
    private let start = ContinuousClock.now

    init(_ stage: CommandStage, _ desk: StreamDesk, _ words: Words, window: Int) {
        self.stage = stage
        self.desk = desk
        self.words = words
        conversation = Conversation(window: window)
        errors = stage.errorOutput("")
    }

    /// No process is started before there is something for it.
    func run(_ variables: [String: String]) async throws {
        let first = try await desk.nextBatch(upTo: conversation.share)
        guard !first.isEmpty else { return }
        let talked: Talked
        let end: CommandEnd
        do {
            (talked, end) = try await stage.command(variables, timeout: stage.timeout).run(
                guardian: stage.host.guardian(), errors: errors
            ) { running in
                await talk(running, first)
            }
        } catch {
            throw stage.failure(error, errors, took: start.duration(to: .now))
        }
        try await judge(talked, end)
    }

    /// What a talk has come to.
    private struct Talked: Sendable {
        var held: [Understood.Answer] = []
        /// A last line without an end.
        var rest: [UInt8]?
        var error: (any Error)?
    }

    private func talk(_ running: RunningCommand, _ first: [Item]) async -> Talked {
        // Neither is cancelled by the other's failure: a call of the store that is cut off would look like one that failed.
        async let giving = catching(running) { try await give(running, first) }
        var talked = Talked()
        talked.error = await catching(running) {
            let limit = Int(clamping: stage.entry.outputLimit)
            var splitter = LineSplitter(limit: limit)
            try await running.output { piece in
                let lines: [[UInt8]]
                do {
                    lines = try splitter.add(piece)
                } catch let error as LineSplitter.TooLong {
                    // What it said before stands, so that the line that is answered by this one is alone to blame.
                    talked.held += try await take(error.before, running)
                    throw CommandProtocolError(
                        "it wrote a line of more than \(limit) bytes, the most that 'limits: output' allows")
                }
                talked.held += try await take(lines, running)
            }
            talked.rest = splitter.finish()
        }
        conversation.over()
        let failed = await giving
        talked.error = talked.error ?? failed
        return talked
    }

    private func catching(_ running: RunningCommand, _ body: () async throws -> Void) async -> (any Error)? {
        do {
            try await body()
            return nil
        } catch {
            conversation.over()
            running.end(.unwanted)
            return error
        }
    }

    // MARK: Giving

    /// How long one waits for items before one looks after the command again.
    private var pause: Duration { words.holdBack.map { min($0, .seconds(1)) } ?? .seconds(1) }

    private func give(_ running: RunningCommand, _ first: [Item]) async throws {
        guard await running.write(words.greeting()) else { return }
        var batch = first
        while true {
            guard await running.write(try await lines(for: batch, running)) else { return }
            batch = []
            while batch.isEmpty {
                if conversation.isOver { return }
                if isHoldingBack { break }
                // Who is to stop does not wait for room: there is nothing more to give.
                if !conversation.hasRoom, await !desk.isStopping {
                    await conversation.waitForRoom()
                    continue
                }
                batch = try await desk.nextBatch(by: .now + pause, upTo: conversation.share)
                if batch.isEmpty, await desk.ending != nil { break }
            }
            if conversation.isOver, !batch.isEmpty {
                // It ended meanwhile, and has never seen them.
                return try await desk.answer(Self.outcomes(batch.map(\.id), .released), outputs: [])
            }
            if batch.isEmpty { break }
        }
        // It has all that it will get, and is to come to its end.
        conversation.closed()
        running.expect()
        if let ending = await desk.ending { _ = await running.write(words.farewell(ending)) }
        await running.closeInput()
    }

    /// Whether the command has said nothing for so long that it may be holding answers back.
    private var isHoldingBack: Bool { words.holdBack.map { conversation.isQuiet(for: $0) } ?? false }

    /// The lines that give the items; those that can't be given are settled.
    private func lines(for batch: [Item], _ running: RunningCommand) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        var refused: [ItemID: Outcome] = [:]
        for item in batch {
            do {
                bytes += try words.ask(item)
            } catch let error as CommandProtocolError {
                refused[item.id] = .failed(Failure("\(error)", .never))
            }
        }
        // More items give no more time: a command that hangs is found while others still come.
        conversation.gave(batch.count - refused.count) { running.expect() }
        if !refused.isEmpty {
            // Of one that was given none of them nothing is expected.
            conversation.whileLocked { inFlight, isClosed in if inFlight == 0, !isClosed { running.rest() } }
            try await desk.answer(refused, outputs: [])
        }
        return bytes
    }

    // MARK: Taking

    /// - Returns: the answers that are held: of what is under suspicion all, until the command has ended well.
    private func take(_ lines: [[UInt8]], _ running: RunningCommand) async throws -> [Understood.Answer] {
        // What was read of a cancelled task may be cut off anywhere.
        try Task.checkCancellation()
        let isHeld = await desk.isSuspect
        let understood = words.understand(lines, isLast: false)
        for line in understood.log { stage.host.logger.info("\(printable(line))") }
        if understood.isSign { conversation.showedProgress() }
        if understood.isSign || !understood.answers.isEmpty { Activity.current?.prolong() }
        // Waiting for the store is not the command's time.
        running.rest()
        if !isHeld { try await settle(understood.answers) }
        let count = understood.answers.reduce(0) { $0 + $1.items.count }
        if count > 0 {
            conversation.answered(count)
            if conversation.inFlight == 0 { words.answeredAll(afterClosing: conversation.sinceClosing) }
        }
        conversation.whileLocked { inFlight, isClosed in
            if inFlight > 0 || isClosed { running.expect() } else { running.rest() }
        }
        if !understood.answers.isEmpty, understood.answers.allSatisfy({ $0.outcome == .released }) {
            // Who gives everything back is not to get it again and again.
            try await Task.sleep(for: .milliseconds(250))
        }
        if let problem = understood.problem {
            guard understood.isIdle, !isHeld, problem is CommandProtocolError else { throw problem }
            throw StageError("\(stage.name): \(problem)", words.idleAdvice)
        }
        return isHeld ? understood.answers : []
    }

    /// In one transaction, as many as there are; what the store refuses is then found one by one.
    private func settle(_ answers: [Understood.Answer]) async throws {
        guard !answers.isEmpty else { return }
        let answers = withEvidence(answers)
        errors.begin()
        do {
            try await answer(answers)
        } catch let error as LeatError where error.code == .stepRefused {
            guard answers.count > 1 else {
                let failure = Failure(from: error)
                return try await desk.answer(Self.outcomes(answers[0].items, .failed(failure)), outputs: [])
            }
            for answer in answers { try await settle([answer]) }
        }
    }

    /// What the command said on standard error before it gave up on items.
    private func withEvidence(_ answers: [Understood.Answer]) -> [Understood.Answer] {
        answers.map { answer in
            guard case .failed(var failure) = answer.outcome, failure.evidence == nil, let tail = errors.tail else {
                return answer
            }
            failure.evidence = Evidence(errorOutput: tail)
            var answer = answer
            answer.outcome = .failed(failure)
            return answer
        }
    }

    private func answer(_ answers: [Understood.Answer]) async throws {
        var outcomes: [ItemID: Outcome] = [:]
        var outputs: [Output] = []
        for answer in answers {
            for item in answer.items { outcomes[item] = answer.outcome }
            let mark = outputs.count
            outputs += answer.outputs
            if answer.items.count == 1 {
                for index in mark..<outputs.count { outputs[index].parent = answer.items[0] }
            }
        }
        try await desk.answer(outcomes, outputs: outputs)
    }

    // MARK: The end

    private static func outcomes(_ items: [ItemID], _ outcome: Outcome) -> [ItemID: Outcome] {
        Dictionary(items.map { ($0, outcome) }, uniquingKeysWith: { $1 })
    }

    private func judge(_ talked: Talked, _ end: CommandEnd) async throws {
        let isAlone = await desk.isSuspect
        let took = start.duration(to: .now)
        if let error = talked.error { throw stage.failure(error, errors, took: took) }
        let verdict = ExitVerdict(of: end, pause: stage.pause)
        let left = words.unanswered
        if let lack = words.lack, verdict.isUnexplained {
            // No item is to blame for a command that has not begun to speak.
            let error = stage.failure(verdict, end, errors, took: took)
            throw StageError(
                "\(lack): \(error.map { "\($0)" } ?? "\(stage.name) \(end.termination.words)\(CommandError.lastWords(errors.finish()))")",
                .backOff, evidence: (error as? any EvidentError)?.evidence)
        }
        // It was ended while nothing was expected of it but its end: its answers stand.
        if let failure = stage.failure(verdict, end, errors, took: took) {
            guard case .failed(let advice) = verdict, left.isEmpty, talked.held.isEmpty else { throw failure }
            if case .postpone = advice { throw failure }
            throw StageError("\(failure)", .backOff)
        }
        let last = words.understand(talked.rest.map { [$0] } ?? [], isLast: true)
        for line in last.log { stage.host.logger.info("\(printable(line))") }
        if let problem = last.problem { throw stage.failure(problem, errors, took: took) }
        let held = talked.held + last.answers
        let unanswered = words.unanswered
        let ending = await desk.ending
        let hasAnswered = conversation.hasAnswered || !held.isEmpty
        let error =
            unanswered.isEmpty
            ? nil
            : words.leftBehind(unanswered.count, isAlone: isAlone, hasAnswered: hasAnswered, ending)
        // What was answered stands, unless it was under suspicion.
        if error == nil || !isAlone { try await settle(held) }
        if let error { throw stage.failure(error, errors, took: took) }
        guard !unanswered.isEmpty else { return }
        // It has had enough, as some do after so many lines; the next one goes on.
        try await desk.answer(Self.outcomes(unanswered, .released), outputs: [])
    }
}
