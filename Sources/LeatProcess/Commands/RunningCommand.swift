internal import Leat
internal import Subprocess
internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// A command that runs: its input, its output, and the means to end it.
package final class RunningCommand: Sendable {
    /// Of the process, and of its group.
    package let pid: Int32
    package let errors: ErrorOutput
    private let input: StandardInputWriter
    private let source: SubprocessOutputSequence
    private let watch: WatchBox
    /// As long as it has not been reaped its number can't be another's.
    private let isThere = Mutex(true)

    init(
        pid: Int32, input: StandardInputWriter, output: SubprocessOutputSequence, watch: WatchBox, errors: ErrorOutput
    ) {
        self.pid = pid
        self.input = input
        self.source = output
        self.watch = watch
        self.errors = errors
    }

    // MARK: Talking

    /// Writes to its standard input, and waits while it does not read.
    ///
    /// - Returns: `false` when it reads no more, which need not be wrong.
    package func write(_ bytes: [UInt8]) async -> Bool {
        do {
            _ = try await input.write(bytes)
            return true
        } catch {
            return false
        }
    }

    /// It reads the end of its input.
    package func closeInput() async {
        // It is closed already where that fails: the command is gone.
        do { try await input.finish() } catch {}
    }

    /// What it writes to standard output, in pieces as they come; can be read once.
    ///
    /// It ends when the command closes it or has exited, even if something that the command has started keeps it open.
    package func output(_ piece: (ArraySlice<UInt8>) async throws -> Void) async throws {
        do {
            for try await buffer in source { try await piece(buffer.bytes[...]) }
        } catch let error as SubprocessError {
            throw LeatError(.storeFailed, "The output of process \(pid) can't be read.", cause: error)
        }
    }

    // MARK: Time

    /// Something is expected of it from now on, or it has shown that it goes on.
    package func expect() { watch.change { $0.expect() } }

    /// Nothing is expected of it.
    package func rest() { watch.change { $0.rest() } }

    /// It has said all: only its end is expected.
    func finish() { watch.change { $0.finish() } }

    /// The worker is to stop: it may go on for a while.
    package func stop() { watch.change { $0.stop() } }

    /// Ends it: SIGTERM, and SIGKILL if that does not help.
    package func end(_ cause: CommandWatch.Cause) { watch.change { $0.end(cause) } }

    /// Looks at the time until the command has exited.
    func keepTime() async {
        // Of a cancelled task the library ends the command by itself, and there is no sleep any more.
        while !Task.isCancelled, isThere.withLock({ $0 }) {
            let before = SuspendingClock.now
            await watch.sleep()
            switch watch.advance(by: SuspendingClock.now - before) {
            case .none: break
            case .terminate: signalGroup(SIGTERM)
            case .kill: signalGroup(SIGKILL)
            }
        }
    }

    /// The process has exited and is not reaped yet; what it has started goes with it.
    func exited() {
        signalGroup(SIGKILL)
        isThere.withLock { $0 = false }
        watch.wake()
    }

    private func signalGroup(_ signal: Int32) {
        isThere.withLock { isThere in if isThere { _ = kill(-pid, signal) } }
    }
}

/// Keeps a ``CommandWatch`` for several tasks, and wakes the one that looks at it.
final class WatchBox: Sendable {
    private let watch: Mutex<CommandWatch>
    private let alarm = Alarm()

    init(_ watch: CommandWatch) { self.watch = Mutex(watch) }

    var cause: CommandWatch.Cause? { watch.withLock { $0.cause } }
    var isStopping: Bool { watch.withLock { $0.isStopping } }

    func change(_ change: (inout CommandWatch) -> Void) {
        let isNews = watch.withLock { watch in
            let before = watch.cause
            change(&watch)
            return watch.cause != before
        }
        if isNews { wake() }
    }

    func advance(by duration: Duration) -> CommandWatch.Action { watch.withLock { $0.advance(by: duration) } }
    func wake() { alarm.wake() }
    /// For a tick, or until it is woken.
    func sleep() async { await alarm.sleep(atMost: watch.withLock { $0.tick }) }
}
