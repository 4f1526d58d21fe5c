import Foundation
import Leat
import LeatProcess
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

@Suite("a child process", .timeLimit(.minutes(1)))
struct ChildProcessTests {
    private let folder = TemporaryFolder()

    private func run(
        _ script: String, environment: [String: String] = [:],
        started: @escaping @Sendable (ChildProcess) -> Void = { _ in }
    ) async throws -> Termination {
        let command = ChildCommand("/bin/sh", ["-c", script], environment: environment, log: folder.path("log"))
        return try await ChildProcess.run(command, started: started)
    }

    private var log: String { get throws { try String(contentsOfFile: folder.path("log"), encoding: .utf8) } }

    @Test(
        "tells how it ended, and what that means for a worker",
        arguments: [
            ("exit 0", Termination.exited(0), WorkerEnding.crashed("exited with status 0 without having finished")),
            ("exit 3", .exited(3), .crashed("exited with status 3 without having finished")),
            ("exit 124", .exited(124), .timedOut("no result within the stage's timeout")),
            ("kill -9 $$", .signalled(9), .killed),
            ("kill -ABRT $$", .signalled(6), .crashed("signal 6 (SIGABRT)")),
            ("kill -SEGV $$", .signalled(11), .crashed("signal 11 (SIGSEGV)")),
            ("kill -TERM $$", .signalled(15), .crashed("signal 15 (SIGTERM)")),
        ])
    func endings(script: String, expected: Termination, ending: WorkerEnding) async throws {
        let termination = try await run(script)

        #expect(termination == expected)
        #expect(termination.workerEnding == ending)
    }

    @Test("appends what it says to its log, which its owner alone can read")
    func logging() async throws {
        _ = try await run("echo one")
        _ = try await run("echo two >&2")

        #expect(try log == "one\ntwo\n")
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.path("log"))
        #expect(attributes[.posixPermissions] as? Int == 0o600)
    }

    @Test("has a process group of its own")
    func group() async throws {
        _ = try await run("ps -o pgid= -p $$ | tr -d ' '; echo $$")

        let lines = try log.split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines.first == lines.last)
    }

    @Test("inherits the environment, with what is set on top")
    func environment() async throws {
        _ = try await run("echo ${PATH:+path} $LEAT_TEST", environment: ["LEAT_TEST": "set"])

        #expect(try log == "path set\n")
    }

    @Test("is killed when the task is cancelled")
    func cancellation() async throws {
        let (started, sender) = AsyncStream.makeStream(of: Int32.self)
        let task = Task { try await run("echo here; exec sleep 1000") { sender.yield($0.pid) } }
        var iterator = started.makeAsyncIterator()
        let pid = try #require(await iterator.next())

        task.cancel()
        let result = await task.result

        #expect(try result.get() == .signalled(SIGKILL))
        #expect(kill(pid, 0) != 0)
    }

    @Test("that is not there is an error, and says which")
    func missing() async throws {
        let command = ChildCommand("/no/such/program", [], log: folder.path("log"))

        let error = await #expect(throws: LeatError.self) { try await ChildProcess.run(command) { _ in } }

        #expect(error?.message.contains("/no/such/program") == true)
    }

    @Test("reads the end of its standard input when its parent is killed by SIGKILL")
    func lifeline() async throws {
        // A parent of our own making: this test's process would have to die otherwise. The shell's child reads a pipe
        // whose other end the shell's `sleep` alone holds, as a worker reads its supervisor's.
        let script = "(sleep 1000 & echo $! >\"$0.pid\"; wait) 2>/dev/null | (cat; echo severed >\"$0.end\")"
        let end = folder.path("run")
        let command = ChildCommand("/bin/sh", ["-c", script, end], log: folder.path("log"))

        _ = try await ChildProcess.run(command) { _ in
            Thread.detachNewThread {
                let text = waitForText(in: end + ".pid") { $0.hasSuffix("\n") }
                if let pid = Int32(text.dropLast()) { kill(pid, SIGKILL) }
            }
        }

        #expect(try String(contentsOfFile: end + ".end", encoding: .utf8) == "severed\n")
    }
}

@Suite("a lifeline", .timeLimit(.minutes(1)))
struct LifelineTests {
    @Test("tells once that the other end is gone, and ignores what is written to it")
    func severed() async {
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        let (stream, sender) = AsyncStream.makeStream(of: Void.self)

        Lifeline.watch(ends[0]) {
            sender.yield()
            sender.finish()
        }
        #expect(write(ends[1], "x", 1) == 1)
        close(ends[1])

        var count = 0
        for await _ in stream { count += 1 }
        #expect(count == 1)
    }

    #if os(macOS) || os(Linux)
    @Test("ends a process in time even though what it has to do first hangs")
    func exitsInTime() async {
        await #expect(processExitsWith: .exitCode(7)) {
            exitNow(7, afterAtMost: .milliseconds(50)) { while true { usleep(1_000_000) } }
        }
    }

    @Test("ends the process whose standard input ends, whatever that does")
    func endsHangingProcess() async {
        await #expect(processExitsWith: .exitCode(9)) {
            var ends: [Int32] = [-1, -1]
            _ = pipe(&ends)
            dup2(ends[0], STDIN_FILENO)
            Lifeline.watchStandardInput { exitNow(9) }
            close(ends[0])
            close(ends[1])
            while true { usleep(1_000_000) }
        }
    }
    #endif
}

@Suite("the executable's path")
struct ExecutablePathTests {
    @Test("is absolute, and there")
    func path() throws {
        let path = try executablePath()

        #expect(path.hasPrefix("/"))
        #expect(FileManager.default.isExecutableFile(atPath: path))
    }
}
