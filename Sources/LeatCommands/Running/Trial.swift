package import Leat
internal import LeatProcess
internal import Synchronization

/// A stage's command run on one item by hand: the same input, environment and limits, and nothing committed.
package struct Trial: Sendable {
    private let item: Item
    private let stage: StageName
    private let run: String
    private let host: CommandHost

    /// How it ended.
    package struct Result: Sendable, Hashable {
        package let status: Int32
        /// What a worker would make of it, in a sentence.
        package let words: String
    }

    /// - Parameters:
    ///   - record: the item, in whatever state.
    ///   - run: the id of the run, for the idempotency key.
    package init(_ record: ItemRecord, of stage: StageName, run: String, host: CommandHost) {
        item = Item(
            id: record.id, payload: record.payload, claims: (record.claims ?? 0) + 1, attempts: record.attempts,
            generation: 0)
        self.stage = stage
        self.run = run
        self.host = host
    }

    /// - Parameters:
    ///   - output: takes what the command writes on standard output.
    ///   - errors: takes what it writes on standard error.
    package func run(
        _ file: PipelineFile, _ parameters: Parameters, output: @escaping @Sendable ([UInt8]) throws -> Void,
        errors: @escaping @Sendable ([UInt8]) -> Void
    ) async throws -> Result {
        guard let entry = file[stage], let queue = entry.from else {
            throw LeatError(.notFound, "\(printable(file.shownAs)) has no stage '\(stage)' that takes items.")
        }
        let command = try CommandStage(entry, of: file, parameters, host)
        let key = "\(run)/\(queue)/\(item.id)/\(item.generation)"
        let input = try input(entry, key)
        var variables = ["LEAT_RUN": run]
        if entry.whenClosed { variables["LEAT_KEY"] = "\(run)/\(stage)" }
        if entry.mode == .item {
            variables["LEAT_ID"] = "\(item.id)"
            variables["LEAT_KEY"] = key
            variables["LEAT_ATTEMPT"] = "\(item.attempts + 1)"
        }
        let written = Mutex<[UInt8]>([])
        let limit = Int(clamping: entry.outputLimit)
        do {
            let (_, end) = try await command.command(variables, timeout: command.timeout).run(
                guardian: host.guardian(), errors: ErrorOutput(raw: errors) { _ in }
            ) { running in
                async let giving: Void = {
                    _ = await running.write(input)
                    await running.closeInput()
                }()
                try await running.output { piece in
                    try output(Array(piece))
                    // More than that is a failure, so that no more need be known.
                    let count = written.withLock { written in
                        if written.count <= limit { written += piece }
                        return written.count
                    }
                    guard count <= limit else {
                        throw CommandProtocolError("it wrote more than 'limits: output' allows")
                    }
                    running.expect()
                }
                await giving
            }
            return judge(command, end, written.withLock { $0 })
        } catch let error as CommandProtocolError {
            return Result(status: 1, words: "It would be a failed attempt: \(error). Nothing was committed.")
        } catch let error as CommandNotStarted {
            return Result(status: 127, words: "The command could not be run, so the stage would fail: \(error).")
        }
    }

    private func input(_ entry: StageEntry, _ key: String) throws -> [UInt8] {
        do {
            switch entry.mode {
            case .item: return CommandStage.input(of: item)
            case .ack:
                let lines = [
                    AckProtocol.hello(stage: stage, run: run, window: 1), try AckProtocol.item(item, key: key),
                    AckProtocol.end(.complete),
                ]
                return lines.flatMap { $0 }
            case .batch, .stream, .source:
                guard !item.payload.bytes.contains(UInt8(ascii: "\n")) else { throw CommandProtocolError(notALine) }
                return item.payload.bytes + [UInt8(ascii: "\n")]
            }
        } catch let error as CommandProtocolError {
            throw LeatError(.refused, "Item \(item.id) can't be given to the command of stage '\(stage)': \(error).")
        }
    }

    private func judge(_ command: CommandStage, _ end: CommandEnd, _ written: [UInt8]) -> Result {
        let ended = end.cause == .timedOut ? "was ended after \(command.timeout?.words ?? "")" : end.termination.words
        let what: String =
            switch ExitVerdict(of: end, pause: command.pause) {
            case .success: success(command, written)
            case .interrupted: "it was interrupted"
            case .failed(.never): "the item would be a dead letter"
            case .failed(.postpone(let pause)): "the item would be put off for \(pause.words), without an attempt"
            case .failed where command.entry.whenClosed:
                "the stage would have failed once, of \(command.entry.crashes) times in a row"
            case .failed where item.attempts >= command.entry.retry.attempts: "it would be a failed attempt again"
            case .failed: "it would be a failed attempt, \(item.attempts + 1) of \(command.entry.retry.attempts)"
            case .stageFailed: "the stage would fail, and no item be charged"
            }
        // What it says may be a failure though it ended well.
        let status = end.termination.status == 0 && !what.hasPrefix(Self.success) ? 1 : end.termination.status
        return Result(status: status, words: "The command \(ended): \(what). Nothing was committed.")
    }

    private static let success = "the item would be done"

    /// What would be put.
    private func success(_ command: CommandStage, _ written: [UInt8]) -> String {
        let lines = written.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map(Array.init)
        var outputs: [Output] = []
        do {
            guard command.entry.mode == .ack else {
                let answers = lines.last == [] ? lines.dropLast() : lines[...]
                if command.entry.mode == .stream || command.entry.cardinality == .one, answers.count != 1 {
                    return "it would be a failed attempt: \(answers.count) lines for one"
                }
                for line in lines { try command.reader.read(line, into: &outputs) }
                return Self.put(outputs)
            }
            let words = AckWords(stage, command.entry.from ?? "", run: run, window: 1, command.reader)
            _ = try words.ask(item)
            let understood = words.understand(lines, isLast: false)
            if let problem = understood.problem { throw problem }
            guard let answer = understood.answers.first else { return "it would be a failed attempt: no answer" }
            switch answer.outcome {
            case .done: return Self.put(answer.outputs)
            case .failed(let failure): return "a failure: \(failure.reason)"
            case .released: return "the item would be handed back"
            }
        } catch {
            return "it would be a failed attempt: \(error)"
        }
    }

    private static func put(_ outputs: [Output]) -> String {
        let counts = Dictionary(grouping: outputs, by: \.queue).mapValues(\.count).sorted { $0.key < $1.key }
        guard !counts.isEmpty else { return "\(success), and nothing put" }
        return "\(success), and put: " + counts.map { "\($1) into \($0)" }.joined(separator: ", ")
    }
}
