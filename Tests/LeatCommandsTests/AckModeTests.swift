import Foundation
import Leat
import Testing

@testable import LeatCommands

@Suite("Mode ack")
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
                    for _ in range(12):
                        time.sleep(0.25)
                        print(json.dumps({"progress": item["id"]}), flush=True)
                    print(json.dumps({"ack": item["id"]}), flush=True)
                """, keys: "timeout: 2s")
        defer { test.remove() }

        #expect(run.outcome == .complete)
    }
}
