internal import Leat
internal import LeatProcess

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// What a command's end means for what it was given.
enum ExitVerdict: Sendable, Hashable {
    case success
    /// Its worker was told to stop: nobody is to blame.
    case interrupted
    /// The items that it had are to blame, as far as it can be told whose fault it is.
    case failed(RetryAdvice)
    /// The stage is: no item could have been worked on.
    case stageFailed(RetryAdvice)

    /// Whether it may be that nothing was worked on at all: not where the command has said what it means.
    var isUnexplained: Bool {
        switch self {
        case .success, .failed(.backOff), .failed(.after): true
        case .failed(.never), .failed(.postpone), .stageFailed, .interrupted: false
        }
    }

    /// The statuses with a meaning, of which 65 and 75 are those of `sysexits.h` (EX_DATAERR, EX_TEMPFAIL), 126 and 127
    /// those of shells.
    ///
    /// - Parameter pause: how long what is to be tried later waits.
    init(of end: CommandEnd, pause: Duration) {
        switch (end.cause, end.termination) {
        case (.stopped, _): self = .interrupted
        case (.timedOut, _), (.unwanted, _): self = .failed(.backOff)
        case (nil, .exited(0)): self = .success
        // Whoever stopped the worker has stopped the command with it, as a service manager does.
        case (nil, .signalled(SIGTERM)), (nil, .signalled(SIGINT)), (nil, .exited(128 + SIGTERM)),
            (nil, .exited(128 + SIGINT)):
            self = end.isStopping ? .interrupted : .failed(.backOff)
        case (nil, .exited(65)): self = .failed(.never)
        case (nil, .exited(75)): self = .failed(.postpone(pause))
        case (nil, .exited(126)), (nil, .exited(127)): self = .stageFailed(.never)
        case (nil, .exited), (nil, .signalled): self = .failed(.backOff)
        }
    }
}

/// A command's failure, with what it has left to look at.
struct CommandError: AdvisingError, EvidentError, CustomStringConvertible {
    let description: String
    let retryAdvice: RetryAdvice
    let evidence: Evidence

    /// - Parameter reason: a sentence about the command; its last words on standard error are added.
    init(_ reason: String, _ advice: RetryAdvice, _ evidence: Evidence) {
        description = reason + CommandError.lastWords(evidence.errorOutput)
        retryAdvice = advice
        self.evidence = evidence
    }

    /// The last line of standard error that is not empty.
    static func lastWords(_ output: String?) -> String {
        let line = output?.split(whereSeparator: \.isNewline).last { !$0.allSatisfy(\.isWhitespace) }
        return line.map { ": \($0.prefix(300))" } ?? ""
    }
}
