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

/// A small process beside a worker that ends the worker's commands when the worker is gone, however it went.
///
/// It holds the reading end of a pipe from the worker and knows the process groups of its commands: the end of the pipe
/// ends them. What has left its group is found by a variable of its environment, where the system shows those (Linux).
///
/// It is this same executable, called with ``word``; a program that starts one must call ``serve(_:)`` first thing.
package final class Guardian: Sendable {
    /// The first argument by which an executable knows that it is to be a guardian.
    package static let word = "guardian"
    /// The variable that marks a worker's commands.
    package static let variable = "LEAT_WORKER"

    /// The variable's value.
    package let mark: String
    private let executable: String
    private let state: Mutex<State>

    private struct State {
        var pipe: Int32
        /// Which of them it is: a pipe's number comes again.
        var number = 0
        var groups: Set<Int32> = []
        /// Whether the process behind the pipe has been started, or could not be.
        var isStarted = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    /// Starts one.
    ///
    /// - Parameter executable: this program, or another that can be a guardian.
    /// - Throws: ``LeatError`` when it can't be started.
    package static func start(_ executable: String) throws -> Guardian {
        let mark = String(UInt64.random(in: .min ... .max), radix: 16)
        let guardian = Guardian(executable, mark)
        try guardian.state.withLock { try guardian.launch(&$0) }
        return guardian
    }

    private init(_ executable: String, _ mark: String) {
        self.executable = executable
        self.mark = mark
        state = Mutex(State(pipe: -1))
    }

    /// Starts a process, and tells it what is there to be held.
    private func launch(_ state: inout State) throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else {
            throw LeatError(.storeFailed, "No pipe for the guardian: \(String(cString: strerror(errno))).")
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        // Whoever tells it something must not wait for one that has been stopped: that is as good as gone.
        _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
        if state.pipe >= 0 { close(state.pipe) }
        state.pipe = ends[1]
        state.number += 1
        state.isStarted = false
        _ = Self.write(state.groups.map { "+\($0)\n" }.joined(), to: ends[1])
        let input = FileDescriptor(rawValue: ends[0])
        let number = state.number
        var options = PlatformOptions()
        // Ctrl-C in the terminal is not for it.
        options.processGroupID = 0
        // It lives as long as this process, and nobody waits for it: this only notices that it is gone, which nobody should
        // do to it, so that another one takes its place.
        Task.detached { [options, executable, mark] in
            var pause = Duration.milliseconds(100)
            do {
                _ = try await Subprocess.run(
                    .path(FilePath(executable)), arguments: [Self.word, mark], environment: .custom([:]),
                    platformOptions: options, input: .fileDescriptor(input, closeAfterSpawningProcess: true),
                    output: .discarded, error: .discarded
                ) { _ in self.started(number) }
            } catch {
                // It could not be started, as when its file is being replaced; that is tried again.
                pause = .seconds(1)
                self.started(number)
            }
            // Nobody cancels it, so that this does not throw.
            do { try await Task.sleep(for: pause) } catch {}
            self.replace(number)
        }
    }

    /// This one holds its end of the pipe, or could not be started.
    private func started(_ number: Int) {
        let waiting = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            guard state.number == number else { return [] }
            state.isStarted = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Returns when its process has been started, or could not be.
    ///
    /// A command that began before that would outlive a worker that is killed in between.
    package func waitUntilStarted() async {
        await withCheckedContinuation { continuation in
            let isStarted = state.withLock { state in
                if !state.isStarted { state.waiting.append(continuation) }
                return state.isStarted
            }
            if isStarted { continuation.resume() }
        }
    }

    /// This one is gone.
    private func replace(_ number: Int) {
        state.withLock { state in
            guard state.number == number else { return }
            // Where even that fails the commands end with the worker's own hand only, until the next one begins.
            do { try launch(&state) } catch {}
        }
    }

    /// A command has begun.
    package func hold(_ group: Int32) {
        state.withLock { state in
            state.groups.insert(group)
            tell("+\(group)\n", &state)
        }
    }

    /// A command has ended, with all of its group.
    package func release(_ group: Int32) {
        state.withLock { state in
            state.groups.remove(group)
            tell("-\(group)\n", &state)
        }
    }

    /// It is told at once or not at all: nobody waits here.
    private func tell(_ line: String, _ state: inout State) {
        if Self.write(line, to: state.pipe) { return }
        // It is gone. Where no other can be started now, the next line tries again.
        do { try launch(&state) } catch {}
    }

    private static func write(_ text: String, to pipe: Int32) -> Bool {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { buffer in
                #if canImport(Darwin)
                Darwin.write(pipe, buffer.baseAddress, buffer.count)
                #elseif canImport(Glibc)
                Glibc.write(pipe, buffer.baseAddress, buffer.count)
                #elseif canImport(Musl)
                Musl.write(pipe, buffer.baseAddress, buffer.count)
                #endif
            }
            if count < 0, errno == EINTR { continue }
            // It has been stopped. Once it goes on it knows the commands by their mark, if not by this.
            if count < 0, errno == EAGAIN { return true }
            guard count > 0 else { return false }
            bytes = bytes.dropFirst(count)
        }
        return true
    }
}

// MARK: - The guardian itself

extension Guardian {
    /// Is a guardian until its worker is gone, if the command line says so; otherwise returns at once.
    package static func serve(_ arguments: [String]) {
        guard arguments.count == 3, arguments[1] == word else { return }
        // It ends when its work is done, and not before: whoever ends a terminal's processes means the worker.
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE] { signal(number, SIG_IGN) }
        var groups: Set<Int32> = []
        while let line = readLine() {
            guard let group = Int32(line.dropFirst()), group > 1 else { continue }
            if line.hasPrefix("+") { groups.insert(group) } else { groups.remove(group) }
        }
        endAll(groups, mark: arguments[2])
        exit(0)
    }

    /// Until nothing is found any more: what is being ended may just have started something else.
    ///
    /// And until nothing has been found for a while: a process that is being replaced by the program that it executes shows no
    /// environment, and the command that its worker was starting when it died has not been told of.
    private static func endAll(_ groups: Set<Int32>, mark: String) {
        var quiet = 0
        for _ in 0..<100 {
            var isFound = false
            for group in groups where kill(-group, SIGKILL) == 0 { isFound = true }
            for process in marked(mark) {
                isFound = true
                kill(process, SIGKILL)
            }
            quiet = isFound ? 0 : quiet + 1
            if quiet == 10 { return }
            usleep(20_000)
        }
    }

    /// The processes that carry the mark in their environment, as they were started.
    static func marked(_ mark: String) -> [Int32] {
        let wanted = Array("\(variable)=\(mark)".utf8)
        guard let folder = opendir("/proc") else { return [] }
        defer { closedir(folder) }
        var found: [Int32] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let process = Int32(name), process != getpid(), holds(wanted, "/proc/\(name)/environ") else {
                continue
            }
            found.append(process)
        }
        return found
    }

    /// A zombie's is empty, another user's can't be opened.
    private static func holds(_ wanted: [UInt8], _ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return bytes.split(separator: 0).contains { $0.elementsEqual(wanted) }
    }
}
