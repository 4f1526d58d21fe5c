import Foundation
import Leat
import Testing

@testable import LeatCommands

@Suite("Mode item", .timeLimit(.minutes(5)))
struct ItemModeTests {
    @Test("commits the lines of a command that exits with status 0, an empty one left out")
    func lines() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(3, #"transform: {shell: "read n; echo a$n; echo; printf b$n"}"#)

        #expect(run.outcome == .complete)
        #expect(try test.lines("out") == ["a1", "b1", "a2", "b2", "a3", "b3"])
    }

    @Test("gives each status its meaning, and blames no item for another")
    func statuses() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let script = "read n; case $n in 2) exit 65;; 3) echo why >&2; exit 3;; 4) kill -9 $$;; esac; echo $n"
        let run = try await test.transform(5, "transform: {shell: '\(script)'}")

        #expect(run.outcome == .completeWithErrors)
        #expect(try test.lines("out") == ["1", "5"])
        let letters = try await test.store.deadLetters(of: "work", limit: 10).sorted { $0.item < $1.item }
        #expect(letters.map(\.attempts) == [1, 2, 2])
        #expect(letters[0].reason.contains("exited with status 65"))
        #expect(letters[1].reason.hasSuffix("exited with status 3: why"))
        #expect(letters[2].reason.contains("was ended by signal 9 (SIGKILL)"))
    }

    @Test("puts an item off at status 75, without an attempt")
    func later() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let script = "read n; if [ ! -e seen ]; then touch seen; exit 75; fi; echo $n/$LEAT_ATTEMPT"
        let run = try await test.transform(1, "transform: {shell: '\(script)'}")

        #expect(run.outcome == .complete)
        #expect(run["work"]?.failures == 0)
        #expect(try test.lines("out") == ["1/1"])
    }

    @Test(
        "fails the stage, and no item, when the command can't be run",
        arguments: [
            ("[no-such-command]", "was not found in PATH"), ("[./missing]", "is not there"),
            ("[./plain]", "is not executable"), ("[./script]", "a script begins with a line like #!/bin/sh"),
            ("{shell: 'no-such-command'}", "exited with status 127"),
        ])
    func notRun(command: String, reason: String) async throws {
        let test = try CommandRun()
        defer { test.remove() }
        try test.write("no program", to: "plain")
        try test.write("echo no first line", to: "script")
        chmod(test.folder.appending(path: "script").path, 0o700)

        let run = try await test.transform(20, "transform: \(command)")

        #expect(run.outcome == .failed)
        #expect(run["work"]?.state == .failed)
        #expect(run["work"]?.ready == 20)
        #expect(run["work"]?.reason?.contains(reason) == true, "\(run["work"]?.reason ?? "")")
    }

    @Test("ends a command that writes too much at once, even if it does not read what it is given")
    func floods() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        // More than a pipe takes, both ways. Who waited for its timeout would meet the suite's limit before.
        let run = try await test.transform(
            1, "transform: {shell: 'yes; cat'}\nlimits: {output: 1KB}\ntimeout: 10m",
            producer: "{shell: 'head -c 1000000 /dev/zero | tr \"\\0\" x'}")

        #expect(run.outcome == .completeWithErrors)
        #expect(try await test.reasons()[0].contains("more than 1000 bytes"))
    }

    @Test("ends a command that takes too long, and all that it has started, even if it ignores SIGTERM")
    func timeout() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let script =
            "read n; [ $n = 2 ] || { echo $n; exit; }; trap \"\" TERM; sleep 600 & echo $! >> pids; wait; sleep 600"
        let run = try await test.transform(
            3, "transform: {shell: '\(script)'}\ntimeout: 4s\nconcurrency: 3")

        #expect(run.outcome == .completeWithErrors)
        #expect(try test.lines("out").sorted() == ["1", "3"])
        #expect(try await test.reasons()[0].contains("had not come to its end after 4 s"))
        for pid in try test.lines("pids") { #expect(await ends(pid), "\(pid) lives") }
    }

    @Test("does not wait for what a command has left behind with its output open")
    func leftBehind() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(
            2, "transform: {shell: 'read n; sleep 600 & echo $! >> pids; echo $n'}\ntimeout: 30s")

        #expect(run.outcome == .complete)
        #expect(try test.lines("out") == ["1", "2"])
        for pid in try test.lines("pids") { #expect(await ends(pid), "\(pid) lives") }
    }

    @Test("drops half a line of a command that dies")
    func halfALine() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(
            2, "transform: {shell: 'read n; echo whole$n; [ $n = 1 ] || { printf half; exit 1; }'}")

        #expect(run.outcome == .completeWithErrors)
        #expect(try test.lines("out") == ["whole1"])
    }

    @Test("keeps the end of ten megabytes on standard error")
    func errorOutput() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(
            1, "transform: {shell: 'read n; yes noise | head -c 10000000 >&2; echo >&2; echo the end >&2; exit 1'}")

        #expect(run.outcome == .completeWithErrors)
        let reason = try await test.reasons()[0]
        #expect(reason.hasSuffix(": the end"), "\(reason)")
    }

    @Test("passes on what is not UTF-8, and lines of 16 MiB, byte for byte")
    func bytes() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        try await test.transform(
            1, #"transform: {shell: "head -c 16777216 /dev/zero | tr '\\0' x; echo; printf '\\377\\n'"}"#)

        let out = try Data(contentsOf: test.folder.appending(path: "out"))
        #expect(out.count == 16_777_216 + 1 + 2)
        #expect(out.suffix(2) == Data([0xFF, 0x0A]))
    }

    @Test("refuses more output than 'limits' allows, and more memory")
    func limits() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(
            2, "transform: {shell: 'read n; [ $n = 1 ] || yes; echo $n'}\nlimits: {output: 1MiB}")

        #expect(run.outcome == .completeWithErrors)
        #expect(try test.lines("out") == ["1"])
        #expect(try await test.reasons()[0].contains("more than 1048576 bytes"))

        let other = try CommandRun()
        defer { other.remove() }
        let limited = try await other.transform(
            1, "transform: {shell: 'read n; ulimit -v'}\nlimits: {memory: 512MiB}")
        #expect(limited.outcome == .complete)
        #expect(try other.lines("out") == ["524288"])
    }

    @Test("gives a command a small environment: what is named, and nothing else of the caller's")
    func environment() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        try await test.transform(
            1, "transform: {shell: 'env | sort'}\nenv: {GIVEN: 'a b', TOKEN: }",
            environment: ["PATH": "/usr/bin:/bin", "SECRET": "x", "TOKEN": "t", "LC_ALL": "C"])

        let names = try test.lines("out").map { $0.prefix { $0 != "=" } }
        #expect(
            Set(names).subtracting(["PWD", "_", "SHLVL", "OLDPWD"]) == [
                "GIVEN", "LC_ALL", "LEAT_ATTEMPT", "LEAT_ID", "LEAT_KEY", "LEAT_RUN", "LEAT_STAGE", "PATH", "TOKEN",
            ])
        #expect(try test.lines("out").contains("GIVEN=a b"))
        #expect(try test.lines("out").contains("TOKEN=t"))
    }

    @Test("gives an item the same LEAT_KEY at each attempt")
    func key() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        try await test.transform(2, "transform: {shell: 'read n; echo $LEAT_KEY $LEAT_ATTEMPT >> keys; exit 1'}")

        let keys = try test.lines("keys").map { $0.split(separator: " ") }
        #expect(keys.map { $0[1] }.sorted() == ["1", "1", "2", "2"])
        #expect(Set(keys.map { $0[0] }).count == 2)
    }

    @Test("stops after the first items when every one of them is poison, and leaves the rest ready")
    func breaker() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(50, "transform: ['false']")

        #expect(run.outcome == .failed)
        let work = try #require(run["work"])
        #expect(work.state == .failed)
        #expect(work.dead < 20)
        #expect(work.dead + work.ready + work.waiting == 50)
    }
}
