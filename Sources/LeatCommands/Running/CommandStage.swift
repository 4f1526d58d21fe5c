internal import Leat
internal import LeatProcess
internal import Logging

/// What a stage's command is run with, again and again.
struct CommandStage: Sendable {
    let entry: StageEntry
    let host: CommandHost
    let reader: OutputReader
    let holdBack = HoldBackMemory()
    private let base: [String: String]

    /// What a command finds of the caller's environment: what programs need to run at all. Everything else is named in the
    /// file.
    private static let inherited = [
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR",
    ]

    /// - Throws: ``Leat/LeatError`` for a variable that is to be taken from an environment that does not have it.
    init(_ entry: StageEntry, of file: PipelineFile, _ parameters: Parameters, _ host: CommandHost) throws {
        self.entry = entry
        self.host = host
        var groupFields: [QueueName: String] = [:]
        for taker in file.stages { if let queue = taker.from { groupFields[queue] = taker.groupField } }
        var reader = OutputReader(outputs: entry.to, groupFields: groupFields)
        if case .echo(let field) = entry.proof { reader.echo = field }
        self.reader = reader
        var base = host.environment.filter { Self.inherited.contains($0.key) || $0.key.hasPrefix("LC_") }
        for (name, value) in parameters.values { base[name.uppercased()] = value }
        for (name, value) in entry.environment {
            switch value {
            case .text(let text): base[name] = text
            case .inherited:
                guard let value = host.environment[name] else {
                    throw LeatError(
                        .refused,
                        "Stage '\(entry.name)' takes the variable \(name) from your environment, and it is not set there; set it, or give it a value in the file's 'env'."
                    )
                }
                base[name] = value
            }
        }
        base["LEAT_STAGE"] = entry.name.rawValue
        self.base = base
    }

    /// How the command is called in messages.
    var name: String {
        switch entry.command {
        case .arguments(let arguments): excerpt(Array(arguments.joined(separator: " ").utf8))
        case .shell(let script): excerpt(Array(script.utf8))
        }
    }

    /// How long what is to be tried later waits: ten times the first back-off.
    var pause: Duration { entry.retry.base * 10 }

    var timeout: Duration? { entry.timeout ?? (entry.kind == .producer ? nil : .seconds(60)) }

    /// The command, with these variables beside those of the stage.
    func command(_ variables: [String: String], timeout: Duration?) throws -> Command {
        let arguments: [String] =
            switch entry.command {
            case .arguments(let arguments): arguments
            case .shell(let script): ["/bin/sh", "-c", script]
            }
        var environment = base.merging(variables) { $1 }
        if let guardian = try host.guardian() { environment[Guardian.variable] = guardian.mark }
        return Command(
            arguments, environment: environment, folder: entry.folder, memoryLimit: entry.memoryLimit,
            timeout: timeout)
    }

    /// Takes a command's words on standard error: into the log, with what they are about, if that is known.
    func errorOutput(_ subject: String) -> ErrorOutput {
        let logger = host.logger
        let prefix = subject.isEmpty ? "" : subject + "| "
        return ErrorOutput { line in logger.info("\(prefix)\(line)") }
    }

    /// The error that a command's end is; `nil` when it is none.
    func failure(
        _ verdict: ExitVerdict, _ end: CommandEnd, _ errors: ErrorOutput, took duration: Duration
    ) -> (any Error)? {
        let evidence = Evidence(
            exitStatus: end.termination.status, duration: duration, errorOutput: errors.finish())
        switch verdict {
        case .success: return nil
        case .interrupted: return CancellationError()
        case .failed(let advice):
            let what =
                end.cause == .timedOut
                ? "\(name) had not come to its end after \(timeout?.words ?? "") and was ended"
                : "\(name) \(end.termination.words)"
            return CommandError(what, advice, evidence)
        case .stageFailed(let advice):
            return StageError(
                "\(name) \(end.termination.words)\(CommandError.lastWords(evidence.errorOutput))", advice,
                evidence: evidence)
        }
    }

    /// What was thrown while a command was talked to, as the failure that it is.
    func failure(_ error: any Error, _ errors: ErrorOutput, took duration: Duration) -> any Error {
        switch error {
        case let error as CommandNotStarted:
            StageError("\(error)", error.isPermanent ? .never : .backOff)
        case let error as CommandProtocolError:
            CommandError(
                "\(name): \(error)", .backOff, Evidence(duration: duration, errorOutput: errors.finish()))
        default: error
        }
    }

}
