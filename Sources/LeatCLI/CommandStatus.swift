internal import ArgumentParser
internal import Leat

/// What the commands exit with. The same meanings hold for `leat` and for every pipeline program.
enum CommandStatus: Int32, CaseIterable, Sendable {
    case complete = 0
    case usage = 2
    case taken = 10
    case waiting = 20
    case finished = 21
    case completeWithErrors = 30
    case stageFailed = 35
    case internalError = 40
    case damaged = 74
    case timedOut = 124
    case interrupted = 130
    case terminated = 143

    var meaning: String {
        switch self {
        case .complete: "complete, or done as told"
        case .usage: "wrong usage, a wrong pipeline or a wrong file; nothing was changed"
        case .taken: "already running, or fenced off by another worker"
        case .waiting: "blocked or waiting: nothing can go on by itself, or nothing is ready now"
        case .finished: "a queue is finished: nothing is left, and nothing can come"
        case .completeWithErrors: "complete with errors: some items are dead letters"
        case .stageFailed: "a stage failed"
        case .internalError: "an internal error, or figures that do not balance"
        case .damaged:
            "the database is damaged, or its disk failed; keep its files"
        case .timedOut: "a worker ended itself: its item took longer than the stage's timeout"
        case .interrupted: "interrupted (SIGINT); the same command resumes"
        case .terminated: "terminated (SIGTERM, SIGHUP); the same command resumes"
        }
    }

    /// The list for `--help`.
    static var help: String {
        let lines = allCases.map { status in
            let number = String(status.rawValue)
            return "  " + String(repeating: " ", count: 3 - number.count) + "\(number)  \(status.meaning)"
        }
        return "EXIT STATUS:\n" + lines.joined(separator: "\n")
    }

    init(of outcome: RunOutcome) {
        switch outcome {
        case .complete: self = .complete
        case .completeWithErrors: self = .completeWithErrors
        case .failed: self = .stageFailed
        case .waiting: self = .waiting
        }
    }

    init(of error: LeatError) {
        switch error.code {
        case .alreadyRunning, .fenced, .leaseLost: self = .taken
        case .tripped: self = .stageFailed
        case .damaged: self = .damaged
        case .invalidName, .invalidPipeline, .pipelineChanged, .notFound, .refused, .cannotResume, .foreignFile,
            .unsafePlace, .queueClosed:
            self = .usage
        default: self = .internalError
        }
    }

    var code: ExitCode { ExitCode(rawValue) }
}
