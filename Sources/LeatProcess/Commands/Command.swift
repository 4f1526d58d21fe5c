internal import Leat
internal import ServiceLifecycle
internal import Subprocess

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

/// A program that is run with data on its standard input: what, where, and within which limits.
package struct Command: Sendable, Hashable {
    /// The program's path or name, and its arguments.
    package var arguments: [String]
    /// All of it: nothing of this process's own is added.
    package var environment: [String: String]
    /// Where it runs. A program that is named by a relative path is looked for from here.
    package var folder: String
    /// Bytes of address space that each of its processes may have.
    package var memoryLimit: Int64?
    /// How long it may take for what is expected of it; `nil`: for ever.
    package var timeout: Duration?

    package init(
        _ arguments: [String], environment: [String: String], folder: String, memoryLimit: Int64? = nil,
        timeout: Duration? = nil
    ) {
        self.arguments = arguments
        self.environment = environment
        self.folder = folder
        self.memoryLimit = memoryLimit
        self.timeout = timeout
    }
}

/// How a command came to its end.
package struct CommandEnd: Sendable, Hashable {
    package let termination: Termination
    /// Whether it was ended by its worker, and why.
    package let cause: CommandWatch.Cause?
    /// Whether the worker was told to stop before it ended.
    package var isStopping = false
}

extension Command {
    /// Starts the command, talks to it, and waits for its end. Nothing of its process group is left then.
    ///
    /// On a graceful shutdown it is given some seconds to finish, then SIGTERM, then SIGKILL; when the task is cancelled,
    /// SIGTERM at once.
    ///
    /// - Parameters:
    ///   - guardian: ends it when this process is gone.
    ///   - errors: takes what it writes on standard error.
    ///   - talk: writes its input and reads its output. When it throws, the command is ended.
    /// - Throws: ``CommandNotStarted``, or what `talk` threw.
    package func run<Result: Sendable>(
        guardian: Guardian?, errors: ErrorOutput, _ talk: @escaping @Sendable (RunningCommand) async throws -> Result
    ) async throws -> (Result, CommandEnd) {
        _ = Self.ignoresBrokenPipes
        let (path, arguments) = try resolved()
        var options = PlatformOptions()
        // A group of its own, so that what it starts can be ended with it.
        options.processGroupID = 0
        // What is done when the task is cancelled.
        options.teardownSequence = [
            .gracefulShutDown(toProcessGroup: true, allowedDurationToNextStep: CommandWatch.patience)
        ]
        let watch = WatchBox(CommandWatch(timeout: timeout))
        await guardian?.waitUntilStarted()
        do {
            let result = try await Subprocess.run(
                .path(FilePath(path)),
                arguments: arguments,
                environment: .custom(
                    Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0), $1) })),
                workingDirectory: FilePath(folder),
                platformOptions: options,
                input: .inputWriter, output: .sequence, error: .sequence
            ) { execution in
                let pid = execution.processIdentifier.value
                guardian?.hold(pid)
                defer { guardian?.release(pid) }
                let running = RunningCommand(
                    pid: pid, input: execution.standardInputWriter, output: execution.standardOutput, watch: watch,
                    errors: errors)
                return try await withTaskCancellationOrGracefulShutdownHandler {
                    try await Self.attend(running, execution.standardError, talk) {
                        // Returns when it has exited and before it is reaped, so that its group's number is not
                        // another's. Signal 0 is no signal; the library has no call that only waits.
                        await execution.teardown(using: [
                            .send(signal: Signal(rawValue: 0), allowedDurationToNextStep: .seconds(1_000_000_000))
                        ])
                    }
                } onCancelOrGracefulShutdown: {
                    running.stop()
                }
            }
            // Of a cancelled task the library ends the command, and what was read of it may be cut off anywhere.
            try Task.checkCancellation()
            let end = CommandEnd(
                termination: .init(result.terminationStatus), cause: watch.cause, isStopping: watch.isStopping)
            return (result.closureResult, end)
        } catch let error as SubprocessError {
            if error.underlyingError?.rawValue == ENOEXEC {
                throw CommandNotStarted(
                    "the command \(printable(self.arguments.first ?? "")) is no program: a script begins with a line like #!/bin/sh",
                    isPermanent: true)
            }
            throw CommandNotStarted(
                "the command \(printable(self.arguments.first ?? "")) could not be started: \(error)",
                isPermanent: false)
        }
    }

    /// Who reads no more must not end this process. Children get the signal's default back.
    private static let ignoresBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

    private static func attend<Result: Sendable>(
        _ running: RunningCommand, _ standardError: SubprocessOutputSequence,
        _ talk: @escaping @Sendable (RunningCommand) async throws -> Result,
        untilExit exited: @escaping @Sendable () async -> Void
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                // What can't be read any more is only a log.
                do {
                    for try await piece in standardError { running.errors.add(piece.bytes) }
                } catch {}
            }
            group.addTask {
                await exited()
                running.exited()
            }
            group.addTask { await running.keepTime() }
            do {
                let result = try await talk(running)
                await running.closeInput()
                running.finish()
                try await group.waitForAll()
                return result
            } catch {
                running.end(.unwanted)
                await running.closeInput()
                // Nothing more is read of it, and it may be blocked on that until it is killed.
                try? await group.waitForAll()
                throw error
            }
        }
    }
}

extension SubprocessOutputSequence.Buffer {
    var bytes: [UInt8] { withUnsafeBytes { Array($0) } }
}

extension Termination {
    fileprivate init(_ status: TerminationStatus) {
        self =
            switch status {
            case .exited(let status): .exited(status)
            case .signaled(let signal): .signalled(signal)
            }
    }
}
