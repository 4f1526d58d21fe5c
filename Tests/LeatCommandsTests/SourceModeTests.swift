import Foundation
import Leat
import Testing

@testable import LeatCommands

@Suite("Mode source", .timeLimit(.minutes(5)))
struct SourceModeTests {
    /// A source that dies half-way the first time, behind `keep`, which writes what it gets to `out`.
    private func resumed(_ script: String, cursor: String, to: String = "n", batch: Int = 10) async throws -> CommandRun
    {
        let test = try CommandRun()
        try test.write(script, to: "source.sh")
        let run = try await test.run(
            """
              read: {produce: [sh, source.sh], to: \(to), cursor: \(cursor), batch: \(batch), retry: {base: 1ms}}
              keep: {consume: {shell: 'cat >> out'}, from: n, mode: batch}

            """)
        #expect(run.outcome == .complete, "\(run["read"]?.reason ?? "")")
        return test
    }

    private let once = "if [ ! -e died ]; then touch died; LAST=57; else LAST=100; fi\n"
    private let die = "\n[ $LAST = 100 ] || { printf 'half'; exit 1; }\n"

    @Test("goes on by counting and comparing lines")
    func line() async throws {
        let test = try await resumed(once + "seq $LAST" + die, cursor: "line")
        defer { test.remove() }

        #expect(try test.lines("out") == (1...100).map(String.init))
    }

    @Test("goes on from its own cursor")
    func own() async throws {
        let test = try await resumed(
            once + #"""
                n=${LEAT_CURSOR:-0}
                echo "from $n" >> starts
                while [ $n -lt $LAST ]; do
                    n=$((n+1)); echo "{\"out\":[\"$n\"]}"; n=$((n+1)); echo "{\"out\":[\"$n\"],\"cursor\":$n}"
                done
                """# + die, cursor: "own")
        defer { test.remove() }

        #expect(try test.lines("out") == (1...100).map(String.init))
        #expect(try test.lines("starts").count == 2)
        #expect(try test.lines("starts")[1] != "from 0")
    }

    @Test("begins anew with keys, and puts nothing twice")
    func key() async throws {
        let test = try await resumed(
            once + #"seq $LAST | sed 's/.*/{"body":"&","key":&}/'"# + die, cursor: "key", to: "{route: [n]}")
        defer { test.remove() }

        #expect(try test.lines("out") == (1...100).map(String.init))
    }

    @Test("does not go on without a cursor, and says what there is to do")
    func none() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.run(
            """
              read: {produce: {shell: 'seq 5; exit 1'}, to: n, cursor: none, retry: {base: 1ms}}
              keep: {consume: {shell: 'cat >> out'}, from: n, mode: batch}

            """)

        #expect(run.outcome == .failed)
        #expect(run["read"]?.reason?.contains("line, own or key") == true)
        #expect(try test.lines("out") == ["1", "2", "3", "4", "5"])
    }

    @Test("refuses lines that changed, and tells which one")
    func changed() async throws {
        let test = try CommandRun()
        defer { test.remove() }
        try test.write(
            once + "if [ $LAST = 100 ]; then seq 100 | sed '33s/.*/other/'; else seq 57; fi" + die, to: "source.sh")

        let run = try await test.run(
            """
              read: {produce: [sh, source.sh], to: n, batch: 10, retry: {base: 1ms}}
              keep: {consume: {shell: 'cat >> out'}, from: n, mode: batch}

            """)

        #expect(run.outcome == .failed)
        #expect(
            run["read"]?.reason?.contains("line 33 was '33' and is 'other'") == true, "\(run["read"]?.reason ?? "")")
    }

    @Test("finds the one line that changed among many")
    func changedAmongMany() async throws {
        let test = try CommandRun()
        defer { test.remove() }
        try test.write(
            "if [ ! -e died ]; then touch died; seq 3000; exit 1; fi; seq 3000 | sed '2031s/.*/other/'",
            to: "source.sh")

        let run = try await test.run(
            """
              read: {produce: [sh, source.sh], to: n, retry: {base: 1ms}}
              keep: {consume: {shell: 'cat >> out'}, from: n, mode: batch}

            """)

        #expect(run.outcome == .failed)
        let reason = run["read"]?.reason ?? ""
        #expect(reason.contains("line 2031 was '2031' and is 'other'"), "\(reason)")
    }

    @Test("refuses a source that has become shorter")
    func shorter() async throws {
        let test = try CommandRun()
        defer { test.remove() }
        try test.write(once + "if [ $LAST = 100 ]; then seq 20; else seq 57; fi" + die, to: "source.sh")

        let run = try await test.run(
            """
              read: {produce: [sh, source.sh], to: n, batch: 10, retry: {base: 1ms}}
              keep: {consume: {shell: 'cat >> out'}, from: n, mode: batch}

            """)

        #expect(run.outcome == .failed)
        #expect(run["read"]?.reason?.contains("wrote 20 lines, and 57 had been put before") == true)
    }

    @Test("tells a source its shard")
    func shards() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.run(
            """
              read: {produce: {shell: 'echo $LEAT_SHARD'}, to: n, shards: [a, b, c]}
              keep: {consume: {shell: 'cat >> out'}, from: n, mode: batch}

            """)

        #expect(run.outcome == .complete)
        #expect(try test.lines("out").sorted() == ["a", "b", "c"])
    }
}
