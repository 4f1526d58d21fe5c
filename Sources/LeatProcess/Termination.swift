package import Leat

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// How a process ended, as the kernel told its parent.
package enum Termination: Sendable, Hashable {
    case exited(Int32)
    case signalled(Int32)

    /// The ending of a worker that did not write down its own.
    ///
    /// One that had nothing left to do has said so in the store before it left; so exit 0 without it is a crash: the
    /// user's function, or a library of its, called `exit`.
    package var workerEnding: WorkerEnding {
        switch self {
        case .exited(ReservedStatus.timedOut): .timedOut("no result within the stage's timeout")
        case .exited(let status): .crashed("exited with status \(status) without having finished")
        case .signalled(SIGKILL): .killed
        case .signalled(let signal): .crashed(Self.name(of: signal))
        }
    }

    /// As shells tell it: the status, or 128 and the signal's number.
    package var status: Int32 {
        switch self {
        case .exited(let status): status
        case .signalled(let signal): 128 + signal
        }
    }

    /// `exited with status 3`, `was ended by signal 9 (SIGKILL)`.
    package var words: String {
        switch self {
        case .exited(let status): "exited with status \(status)"
        case .signalled(let signal): "was ended by \(Self.name(of: signal))"
        }
    }

    private static func name(of signal: Int32) -> String {
        let name: String? =
            switch signal {
            case SIGHUP: "SIGHUP"
            case SIGINT: "SIGINT"
            case SIGQUIT: "SIGQUIT"
            case SIGILL: "SIGILL"
            case SIGTRAP: "SIGTRAP"
            case SIGABRT: "SIGABRT"
            case SIGKILL: "SIGKILL"
            case SIGBUS: "SIGBUS"
            case SIGFPE: "SIGFPE"
            case SIGSEGV: "SIGSEGV"
            case SIGPIPE: "SIGPIPE"
            case SIGALRM: "SIGALRM"
            case SIGTERM: "SIGTERM"
            case SIGXCPU: "SIGXCPU"
            case SIGXFSZ: "SIGXFSZ"
            case SIGSYS: "SIGSYS"
            default: nil
            }
        return name.map { "signal \(signal) (\($0))" } ?? "signal \(signal)"
    }
}
