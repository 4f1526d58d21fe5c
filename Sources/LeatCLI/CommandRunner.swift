internal import ArgumentParser
internal import Leat

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
@preconcurrency internal import Glibc
#elseif canImport(Musl)
@preconcurrency internal import Musl
#endif

/// Runs a command line: parses it, runs its command, says what went wrong, and ends the process with its status.
enum CommandRunner {
    @concurrent
    static func main(_ root: any AsyncParsableCommand.Type, arguments: [String]? = nil) async -> Never {
        // First of all: a reader that goes away must be an error to the one who writes, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        StandardStreams.occupy()
        // What a user's function prints is seen when its line is complete, in a file or a pipe too.
        setvbuf(stdout, nil, _IOLBF, 0)
        let ending = await run(root, arguments: arguments)
        var status = ending.status
        if let text = ending.output {
            do {
                try StandardOutput.write(text)
            } catch is ClosedOutput {
                // Whoever read it has seen enough.
            } catch {
                StandardError.write("error: \(error)")
                status = CommandStatus.internalError.rawValue
            }
        }
        if let text = ending.error { StandardError.write(text) }
        exit(status)
    }

    /// How a command ended, with what is still to be said.
    struct Ending: Sendable, Hashable {
        var status: Int32
        var output: String?
        var error: String?
    }

    static func run(_ root: any AsyncParsableCommand.Type, arguments: [String]?) async -> Ending {
        do {
            var command = try await root.asyncParseAsRoot(arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            return Ending(status: CommandStatus.complete.rawValue)
        } catch {
            return ending(for: error, root)
        }
    }

    static func ending(for error: any Error, _ root: any AsyncParsableCommand.Type) -> Ending {
        switch error {
        case let code as ExitCode: return Ending(status: code.rawValue)
        // Whoever read it has seen enough.
        case is ClosedOutput: return Ending(status: CommandStatus.complete.rawValue)
        case let error as LeatError:
            return Ending(status: CommandStatus(of: error).rawValue, error: "error: \(error.description)")
        default: break
        }
        // A refusal repeats what was given.
        let message = root.fullMessage(for: error).split(separator: "\n", omittingEmptySubsequences: false)
            .map { printable(String($0)) }.joined(separator: "\n")
        switch root.exitCode(for: error) {
        case .success: return Ending(status: CommandStatus.complete.rawValue, output: message)
        case .validationFailure: return Ending(status: CommandStatus.usage.rawValue, error: message)
        default:
            return Ending(status: CommandStatus.internalError.rawValue, error: "error: \(printable("\(error)"))")
        }
    }
}
