import Foundation
import Leat
import Testing

@testable import LeatCommands

@Suite("Mode ack", .timeLimit(.minutes(5)))
struct AckModeTests {
    private static let examples = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Examples/Protocol")

    private func run(_ count: Int, python: String, keys: String = "") async throws -> (CommandRun, InMemoryRun) {
        let test = try CommandRun()
        try test.write(python, to: "work.py")
        let run = try await test.transform(
            count, "transform: [python3, work.py]\nmode: ack\nenv: {PYTHONPATH: '\(Self.examples.path)'}\n\(keys)")
        return (test, run)
    }

    @Test("works with the helper for Python: outputs, failures, dead letters, items put off")
    func python() async throws {
        let (test, run) = try await run(
            30,
            python: """
                import os
                from leat_stage import stage, Dead, Later
                def work(item):
                    n = int(item.body)
                    print("a stray word")
                    if n == 3: raise Dead("three")
                    if n == 4: raise ValueError("four")
                    if n == 5 and not os.path.exists("seen"):
                        open("seen", "w")
                        raise Later("five", 0.001)
                    yield item.body
                    yield {"twice": n * 2, "attempt": item.attempt, "own": item.key.endswith(f"/{item.id}/0")}
                stage(work)
                """)
        defer { test.remove() }

        #expect(run.outcome == .completeWithErrors)
        #expect(try await test.dead() == ["3", "4"])
        #expect(try await Set(test.reasons()) == ["three", "ValueError: four"])
        #expect(run["work"]?.failures == 3)
        let out = try test.lines("out")
        #expect(out.count == 56)
        #expect(out.contains("5"))
        #expect(out.contains(#"{"twice": 10, "attempt": 1, "own": true}"#))
    }

    @Test("works with the helper for shells")
    func shell() async throws {
        let test = try CommandRun()
        defer { test.remove() }
        try test.write(
            """
            . \(Self.examples.path)/leat-stage.sh
            work() { read -r n; case $n in 2) return 65;; 3) return 9;; esac; echo "n $n"; echo '{"a":1.50}'; echo stray >&2; }
            leat_stage work
            """, to: "work.sh")

        let run = try await test.transform(4, "transform: [sh, work.sh]\nmode: ack")

        #expect(run.outcome == .completeWithErrors)
        #expect(try test.lines("out") == ["n 1", #"{"a":1.50}"#, "n 4", #"{"a":1.50}"#])
        #expect(try await test.dead() == ["2", "3"])
    }

    /// What tends to be broken on its way through another language.
    private static let odd = [
        #"say "hi" \ $HOME 'x' `y`"#, "é e\u{301} 😀 \u{2028}", "  two  blanks\t", "-n", "{no json", "null", "1.50",
        "tab\\t",
        #"{"t":"a\"b\nc \u0041 é 😀","list":[1,{"x":null}]}"#, #"["[",{}]"#,
    ]

    /// Texts byte for byte, JSON by its meaning.
    private func isSame(_ lines: [String]) throws -> Bool {
        try zip(lines, Self.odd).allSatisfy { line, odd in
            guard odd.hasSuffix("}") || odd.hasSuffix("]") else { return Array(line.utf8) == Array(odd.utf8) }
            let objects = try [line, odd].map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? NSObject }
            return objects[0] == objects[1]
        } && lines.count == Self.odd.count
    }

    @Test("passes odd bodies through the helper for Python, and nothing of what it starts is taken for a message")
    func oddInPython() async throws {
        let test = try CommandRun()
        defer { test.remove() }
        try test.write(Self.odd.joined(separator: "\n") + "\n", to: "in.txt")
        try test.write(
            """
            import subprocess
            from leat_stage import stage
            def work(item):
                subprocess.run(["sh", "-c", "cat; echo stray"])
                return [item.body]
            stage(work)
            """, to: "work.py")

        let run = try await test.transform(
            0, "transform: [python3, work.py]\nmode: ack\nenv: {PYTHONPATH: '\(Self.examples.path)', LC_ALL: C}",
            producer: "[cat, in.txt]")

        #expect(run.outcome == .complete)
        let out = try test.lines("out")
        #expect(try isSame(out), "\(out)")
    }

    @Test("passes odd bodies through the helper for shells, also one that ends at the first error")
    func oddInShells() async throws {
        let test = try CommandRun()
        defer { test.remove() }
        try test.write((Self.odd + ["bad"]).joined(separator: "\n") + "\n", to: "in.txt")
        try test.write(
            "set -eu\n. \(Self.examples.path)/leat-stage.sh\nwork() { grep -v '^bad$'; }\nleat_stage work\n",
            to: "work.sh")

        let run = try await test.transform(0, "transform: [sh, work.sh]\nmode: ack", producer: "[cat, in.txt]")

        #expect(run.outcome == .completeWithErrors)
        #expect(try await test.dead() == ["bad"])
        let out = try test.lines("out")
        #expect(try isSame(out), "\(out)")
    }

    @Test("works with the program that its documentation shows", .enabled(if: hasPerl))
    func documented() async throws {
        let page = try String(
            contentsOf: Self.examples.appending(path: "../../Sources/Leat/Leat.docc/LineProtocol.md"), encoding: .utf8)
        let program = try #require(page.split(separator: "```perl\n").last?.split(separator: "```").first)
        let test = try CommandRun()
        defer { test.remove() }
        try test.write(String(program), to: "double.pl")

        let run = try await test.transform(
            0, "transform: [perl, double.pl]\nmode: ack", producer: "{shell: 'seq 50; echo x'}")

        #expect(run.outcome == .completeWithErrors)
        #expect(try test.lines("out") == (1...50).map { "\($0 * 2)" })
        #expect(try await test.reasons() == ["no number"])
    }

    private static let hasPerl = FileManager.default.isExecutableFile(atPath: "/usr/bin/perl")

    @Test("blames the item whose program prints what is no message, and no other")
    func strayPrint() async throws {
        let (test, run) = try await run(
            20,
            python: """
                import json, sys
                print('{"hello":1}', flush=True)
                for line in sys.stdin:
                    item = json.loads(line)
                    if "id" in item:
                        if item["body"] == "7": print("hello there")
                        print(json.dumps({"ack": [item["id"]], "out": [item["body"]]}), flush=True)
                """)
        defer { test.remove() }

        #expect(run.outcome == .completeWithErrors)
        #expect(try await test.dead() == ["7"])
        #expect(try await test.reasons()[0].contains("'hello there' on standard output is no message"))
        #expect(try test.lines("out").compactMap { Int($0) }.sorted() == (1...20).filter { $0 != 7 })
    }

    @Test("takes several items with one line, what was emitted before, and items handed back")
    func emits() async throws {
        let (test, run) = try await run(
            10,
            python: """
                import json, os, sys
                held = []
                def say(**message): print(json.dumps(message), flush=True)
                say(hello=1)
                for line in sys.stdin:
                    item = json.loads(line)
                    if "id" not in item: continue
                    if item["body"] == "4" and not os.path.exists("back"):
                        open("back", "w"); say(release=[item["id"]]); continue
                    say(emit=item["id"], out=["e" + item["body"]])
                    say(progress=item["id"])
                    say(log="an escape \\x1b[31m")
                    held.append(item["id"])
                    if len(held) == 3:
                        say(ack=held, out=["three"]); held = []
                if held: say(ack=held, out=[])
                """)
        defer { test.remove() }

        #expect(run.outcome == .complete)
        let out = try test.lines("out")
        #expect(out.filter { $0.hasPrefix("e") }.sorted() == (1...10).map { "e\($0)" }.sorted())
        #expect(run["work"]?.failures == 0)
    }

    @Test("charges the items of a program that ends without answering, and hands back what was not begun")
    func silent() async throws {
        let (test, run) = try await run(
            6,
            python: """
                import json, sys
                print('{"hello":1}', flush=True)
                for line in sys.stdin:
                    item = json.loads(line)
                    if "id" in item:
                        if item["body"] == "2": sys.exit(0)
                        print(json.dumps({"ack": item["id"]}), flush=True)
                """)
        defer { test.remove() }

        #expect(run.outcome == .completeWithErrors)
        #expect(try await test.dead() == ["2"])
        #expect(run["work"]?.done == 5)
    }

    @Test(
        "fails the stage, and blames no item, when the command does not speak the protocol",
        arguments: [
            (#"{"hello":2}"#, "speaks version 2"), ("Loading", "begins with the line"),
            (#"{"ack":[1]}"#, "begins with the line"),
        ])
    func version(line: String, reason: String) async throws {
        let (test, run) = try await run(
            3, python: "import sys, time\nprint('\(line)', flush=True)\ntime.sleep(600)")
        defer { test.remove() }

        #expect(run.outcome == .failed)
        #expect(run["work"]?.ready == 3)
        #expect(run["work"]?.reason?.contains(reason) == true, "\(run["work"]?.reason ?? "")")
    }

    @Test(
        "fails the stage of a program that ends, or hangs, without having said that it speaks the protocol",
        arguments: [
            "import sys; sys.exit('no module')", "import sys; sys.stdin.read()", "import time; time.sleep(600)",
        ])
    func speechless(program: String) async throws {
        let (test, run) = try await run(6, python: program, keys: "timeout: 2s")
        defer { test.remove() }

        #expect(run.outcome == .failed)
        #expect(run["work"]?.ready == 6)
        #expect(run["work"]?.dead == 0)
        #expect(run["work"]?.reason?.contains("begins with the line") == true, "\(run["work"]?.reason ?? "")")
    }

    @Test("finds a program that hangs while more items still come for it")
    func hangs() async throws {
        let test = try CommandRun()
        defer { test.remove() }
        try test.write(
            """
            import json, os, sys, time
            print('{"hello":1}', flush=True)
            for line in sys.stdin:
                item = json.loads(line)
                if "id" not in item: continue
                if item["body"] == "1" and not os.path.exists("hung"):
                    open("hung", "w")
                    time.sleep(600)
                open("again", "w")
                print(json.dumps({"ack": item["id"]}), flush=True)
            """, to: "work.py")

        // An item each twentieth of a second, until one is answered.
        let run = try await test.transform(
            0, "transform: [python3, work.py]\nmode: ack\ntimeout: 2s",
            producer:
                "{shell: 'n=1; while [ ! -e again ] && [ $n -lt 400 ]; do echo $n; n=$((n+1)); sleep 0.05; done'}")

        #expect(run.outcome == .complete)
        #expect(try #require(run["work"]?.done) < 399)
    }

    @Test("gives a program longer for an item that it says it is getting on with")
    func progress() async throws {
        // The time begins before the interpreter runs, which takes half a second of it on a busy machine.
        let (test, run) = try await run(
            1,
            python: """
                import json, sys, time
                print('{"hello":1}', flush=True)
                for line in sys.stdin:
                    item = json.loads(line)
                    if "id" not in item: continue
                    for _ in range(5):
                        time.sleep(1)
                        print(json.dumps({"progress": item["id"]}), flush=True)
                    print(json.dumps({"ack": item["id"]}), flush=True)
                """, keys: "timeout: 4s")
        defer { test.remove() }

        #expect(run.outcome == .complete)
    }
}
