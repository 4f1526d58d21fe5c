internal import Leat
internal import Subprocess
internal import Synchronization

#if canImport(System)
internal import System
#else
internal import SystemPackage
#endif

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// What is started: an executable with its arguments, and where its words go.
package struct ChildCommand: Sendable {
    /// A path, never looked up.
    package var executable: String
    package var arguments: [String]
    /// Set on top of this process's environment.
    package var environment: [String: String]
    /// Standard output and error are appended to this file (mode 0600).
    package var log: String

    package init(_ executable: String, _ arguments: [String], environment: [String: String] = [:], log: String) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.log = log
    }
}

/// A running child, in a process group of its own.
///
/// Its standard input is a pipe whose other end this process alone holds and never writes to: when this process is
/// gone, however it went, the child reads the end of it (``Lifeline``).
package final class ChildProcess: Sendable {
    package let pid: Int32
    /// Sends a signal as long as the child has not been reaped, so that its number can't be another's; then `nil`.
    private let sender: Mutex<(@Sendable (Signal) -> Void)?>

    private init(pid: Int32, sender: @escaping @Sendable (Signal) -> Void) {
        self.pid = pid
        self.sender = Mutex(sender)
    }

    /// Asks it to end.
    package func terminate() { sender.withLock { $0?(.terminate) } }
    /// Ends it.
    package func kill() { sender.withLock { $0?(.kill) } }

    private func disarm() { sender.withLock { $0 = nil } }

    /// Starts a child and waits for its end. When the task is cancelled the child is killed.
    ///
    /// - Parameter started: called once, when it runs.
    /// - Throws: ``LeatError`` when it could not be started.
    package static func run(
        _ command: ChildCommand, started: @escaping @Sendable (ChildProcess) -> Void
    ) async throws -> Termination {
        let log = try openLog(command.log)
        var options = PlatformOptions()
        // A group of its own: Ctrl-C in the terminal reaches this process alone, which then drains. No session: with
        // a group it takes a fork path that can deadlock.
        options.processGroupID = 0
        do {
            let result = try await Subprocess.run(
                .path(FilePath(command.executable)),
                arguments: Arguments(command.arguments),
                environment: .inherit.updating(
                    Dictionary(
                        uniqueKeysWithValues: command.environment.map { (Environment.Key(stringLiteral: $0), $1) })),
                platformOptions: options,
                // The library's pipe, close-on-exec from its making, is the lifeline: nothing is ever written to it.
                input: .inputWriter,
                output: .fileDescriptor(log, closeAfterSpawningProcess: true),
                error: .combinedWithOutput
            ) { execution in
                let child = ChildProcess(pid: execution.processIdentifier.value) { signal in
                    // It has exited and is not reaped yet: the signal has no one to reach.
                    try? execution.send(signal: signal)
                }
                started(child)
                // Returns when the child has exited and before it is reaped, which is what makes `sender` safe. Signal
                // 0 is no signal; the library has no call that only waits.
                await execution.teardown(using: [
                    .send(signal: Signal(rawValue: 0), allowedDurationToNextStep: .seconds(1_000_000_000))
                ])
                child.disarm()
            }
            return switch result.terminationStatus {
            case .exited(let status): .exited(status)
            case .signaled(let signal): .signalled(signal)
            }
        } catch let error as SubprocessError {
            throw LeatError(
                .storeFailed,
                "The worker \(printable(command.executable)) could not be started; check that it is there and executable.",
                cause: error)
        }
    }

    private static func openLog(_ path: String) throws -> FileDescriptor {
        let flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW
        #if canImport(Darwin)
        let descriptor = Darwin.open(path, flags, 0o600)
        #elseif canImport(Glibc)
        let descriptor = Glibc.open(path, flags, 0o600)
        #elseif canImport(Musl)
        let descriptor = Musl.open(path, flags, 0o600)
        #endif
        guard descriptor >= 0 else {
            throw LeatError(
                .storeFailed,
                "The log \(printable(path)) can't be opened: \(String(cString: strerror(errno))); check its folder's owner and mode."
            )
        }
        return FileDescriptor(rawValue: descriptor)
    }
}
