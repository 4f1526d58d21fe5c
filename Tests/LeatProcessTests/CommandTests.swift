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

@Suite("A command", .timeLimit(.minutes(1)))
struct CommandTests {
    private let folder = TemporaryFolder()

    private func command(_ script: String, memoryLimit: Int64? = nil, timeout: Duration? = nil) -> Command {
        Command(
            ["sh", "-c", script], environment: ["PATH": "/usr/local/bin:/usr/bin:/bin", "DAY": "a 'b'"],
            folder: folder.url.path, memoryLimit: memoryLimit, timeout: timeout)
    }

    private let errors = ErrorOutput { _ in }

    /// Runs it with some input, to its end.
    private func run(_ command: Command, input: String = "") async throws -> (String, CommandEnd) {
        let (output, end) = try await command.run(guardian: nil, errors: errors) { running in
            _ = await running.write(Array(input.utf8))
            await running.closeInput()
            var output: [UInt8] = []
            try await running.output { output += $0 }
            return output
        }
        return (String(decoding: output, as: UTF8.self), end)
    }

    /// Waits until the processes whose numbers a script has written have ended: at once, or not before the suite's limit.
    private func waitForEnd(of name: String) {
        let numbers = waitForText(in: folder.path(name)) { $0.hasSuffix("\n") }.split(separator: "\n")
        for number in numbers { while isRunning(String(number)) { usleep(1000) } }
    }

    private func isRunning(_ number: String) -> Bool {
        let stat = try? String(contentsOfFile: "/proc/\(number)/stat", encoding: .utf8)
        guard let stat else { return Int32(number).map { kill($0, 0) == 0 } ?? false }
        return stat.split(separator: ")").last?.split(separator: " ").first != "Z"
    }

    @Test("has no result when its task is cancelled, though it ends well on the SIGTERM that follows")
    func cutOff() async throws {
        let (pieces, piece) = AsyncStream<Void>.makeStream()
        // What it says before is a part of what it would say.
        let command = command("trap 'exit 0' TERM; echo one; while :; do sleep 0.01; done")
        let task = Task { [errors] () async throws -> CommandEnd in
            try await command.run(guardian: nil, errors: errors) { (running) async throws -> Bool in
                try await running.output { _ in piece.yield() }
                return true
            }.1
        }
        for await _ in pieces { break }

        task.cancel()

        await #expect(throws: CancellationError.self) { _ = try await task.value }
    }

    @Test("tells that its worker was to stop, so that a signal for both is nobody's fault")
    func stoppedTogether() async throws {
        let (_, end) = try await command("echo; read line; kill -TERM $$").run(guardian: nil, errors: errors) {
            (running) async throws -> Bool in
            try await running.output { _ in
                running.stop()
                await running.closeInput()
            }
            return true
        }

        #expect(end.termination == .signalled(SIGTERM) && end.cause == nil && end.isStopping)
    }

    @Test("is given its input, its folder and its environment, and nothing else")
    func surroundings() async throws {
        let (output, end) = try await run(
            command("cat; pwd -P; env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD="), input: "in\n")

        let real = folder.url.resolvingSymlinksInPath().path
        #expect(output.hasPrefix("in\n"))
        #expect(output.contains("\(real)\n"))
        let variables = output.split(separator: "\n").filter { $0.contains("=") }.sorted()
        #expect(variables == ["DAY=a 'b'", "PATH=/usr/local/bin:/usr/bin:/bin"])
        #expect(end.termination == .exited(0) && end.cause == nil)
        #expect(errors.finish() == nil)
    }

    @Test("takes what it has started with it when it exits, even what keeps its output open or ignores SIGTERM")
    func leftovers() async throws {
        let (output, end) = try await run(
            command("echo out; (trap '' TERM HUP; echo here >&2; sleep 600) & sleep 600 & echo $! > pids; exit 3"))

        #expect(output == "out\n")
        #expect(end.termination == .exited(3))
        waitForEnd(of: "pids")
    }

    @Test("is ended when the one who talks to it throws, and what was thrown is")
    func thrown() async throws {
        struct Enough: Error {}

        await #expect(throws: Enough.self) {
            _ = try await command("sleep 600 & echo $! $$ | tr ' ' '\\n' > pids; echo go; wait").run(
                guardian: nil, errors: errors
            ) { running in
                try await running.output { _ in throw Enough() }
            }
        }

        waitForEnd(of: "pids")
    }

    @Test("gets SIGTERM when its task is cancelled")
    func cancelled() async throws {
        let (lines, sender) = AsyncStream.makeStream(of: Void.self)
        let command = command("trap 'echo told > told; exit 0' TERM; sleep 600 & echo $! > pids; echo go; wait")
        let errors = errors
        let task = Task {
            try await command.run(guardian: nil, errors: errors) { running in
                try await running.output { _ in sender.yield() }
            }
        }
        for await _ in lines { break }

        task.cancel()
        _ = await task.result

        waitForText("told\n", in: folder.path("told"))
        waitForEnd(of: "pids")
    }

    @Test("that is to stop may finish what it has begun")
    func stopped() async throws {
        let (_, end) = try await command("echo go; read line; exit 0").run(guardian: nil, errors: errors) { running in
            try await running.output { _ in
                running.stop()
                _ = await running.write(Array("more\n".utf8))
            }
        }

        #expect(end.termination == .exited(0) && end.cause == nil)
    }

    @Test("that is silent for too long is ended, with the reason")
    func timedOut() async throws {
        let (_, end) = try await run(command("exec sleep 600", timeout: .milliseconds(50)))

        #expect(end.termination == .signalled(SIGTERM) && end.cause == .timedOut)
    }

    #if os(Linux)
    @Test("has no more memory than it may have, and so has what it starts")
    func memory() async throws {
        let (output, _) = try await run(command("ulimit -v; sh -c 'ulimit -v'", memoryLimit: 256 << 20))

        #expect(output == "262144\n262144\n")
    }
    #endif

    @Test(
        "that can't be started says why, and whether that is for good",
        arguments: [
            (["no-such-command"], "was not found in PATH"), (["./missing"], "is not there"), ([""], "is empty"),
            (["/"], "is not executable"),
        ])
    func notStarted(arguments: [String], reason: String) async throws {
        let command = Command(arguments, environment: ["PATH": "/usr/bin:/bin"], folder: folder.url.path)

        let error = await #expect(throws: CommandNotStarted.self) { try await run(command) }

        #expect(error?.isPermanent == true)
        #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
    }
}
