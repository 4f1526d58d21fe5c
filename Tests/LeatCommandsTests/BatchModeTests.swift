import Foundation
import Leat
import Testing

@testable import LeatCommands

@Suite("Mode batch", .timeLimit(.minutes(5)))
struct BatchModeTests {
    @Test("gives a process many lines, and takes any number")
    func any() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(1000, "transform: [awk, '{s+=$1} END {print s}']\nmode: batch\nbatch: 100")

        #expect(run.outcome == .complete)
        let sums = try test.lines("out").compactMap { Int($0) }
        #expect(sums.reduce(0, +) == 500_500)
        #expect(sums.count < 1000)
    }

    @Test("halves a batch that fails until the culprit stands alone, which alone is charged")
    func halves() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(
            100, "transform: {shell: 'awk \"/^42\\$/ {exit 9} {print}\"'}\nmode: batch\ncardinality: one")

        #expect(run.outcome == .completeWithErrors)
        #expect(try await test.dead() == ["42"])
        #expect(Set(try test.lines("out")) == Set((1...100).filter { $0 != 42 }.map(String.init)))
        #expect(run["work"]?.failures == 2)
    }

    @Test("wants a line for each item where the file says so")
    func one() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(
            40, "transform: [grep, -v, '^17$']\nmode: batch\ncardinality: one")

        #expect(run.outcome == .completeWithErrors)
        #expect(try await test.dead() == ["17"])
        #expect(try test.lines("out").count == 39)
    }

    @Test("loses nothing to a command that reads only some lines")
    func head() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(
            30, "transform: [head, -n, '3']\nmode: batch\ncardinality: one\nbatch: 10")

        #expect(run.outcome == .complete)
        #expect(try test.lines("out").compactMap { Int($0) }.sorted() == Array(1...30))
    }

    @Test("makes a dead letter of what can't be a line, and of nothing else")
    func notALine() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(
            1, "transform: [cat]\nmode: batch",
            producer: #"{shell: 'printf "%s\n" "{\"out\":[\"a\",\"b\\nb\",\"c\"],\"cursor\":1}"'}"#
                + "\n    cursor: own")

        #expect(run.outcome == .completeWithErrors)
        #expect(try test.lines("out") == ["a", "c"])
        #expect(try await test.reasons()[0].contains("holds the end of a line"))
    }

    @Test("works on a whole input when that is closed")
    func whole() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(1000, "transform: [sort, -rn]\nwhen: closed")

        #expect(run.outcome == .complete)
        #expect(try test.lines("out") == (1...1000).reversed().map(String.init))
    }

    @Test("routes envelopes, with keys")
    func routes() async throws {
        let test = try CommandRun()
        defer { test.remove() }
        let script = #"{print "{\"queue\":\"" ($1 % 2 ? "odd" : "even") "\",\"body\":" $1 ",\"key\":" int($1/4) "}"}"#
        try test.write(script, to: "route.awk")

        let run = try await test.run(
            """
              read: {produce: [seq, '12'], to: n}
              split: {transform: [awk, -f, route.awk], from: n, to: {route: [odd, even]}, mode: batch}
              odd: {consume: {shell: 'cat >> odd'}, from: odd, mode: batch}
              even: {consume: {shell: 'cat >> even'}, from: even, mode: batch}

            """)

        #expect(run.outcome == .complete)
        #expect(try test.lines("odd") == ["1", "5", "9"])
        #expect(try test.lines("even") == ["2", "4", "8", "12"])
    }

    @Test("has one attempt at a whole input, and at what comes after others, where the file says so")
    func oneAttempt() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.run(
            """
              read: {produce: [seq, '3'], to: n}
              sum: {consume: {shell: 'cat > in; echo x >> sums; exit 3'}, from: n, when: closed, retry: 1}
              other: {produce: [seq, '2'], to: m}
              keep: {consume: {shell: 'cat >> out'}, from: m, mode: batch}
              mail: {consume: {shell: 'echo x >> mails; exit 3'}, after: keep, retry: 2}

            """)

        #expect(run.outcome == .failed)
        #expect(try test.lines("sums") == ["x"])
        #expect(try test.lines("mails") == ["x", "x"])
        #expect(try test.lines("in") == ["1", "2", "3"])
    }

    @Test("refuses a key without a character, which would put all but one item aside")
    func emptyKey() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.run(
            #"""
              read: {produce: {shell: 'echo "{\"body\":1,\"key\":\"\"}"'}, to: {route: [n]}, retry: 1}
              keep: {consume: {shell: 'cat >> out'}, from: n, mode: batch}

            """#)

        #expect(run.outcome == .failed)
        let reason = run["read"]?.reason ?? ""
        #expect(reason.contains("which is no word and no whole number"), "\(reason)")
    }

    @Test("runs a command once after others")
    func after() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.run(
            """
              read: {produce: [seq, '3'], to: n}
              keep: {consume: {shell: 'cat >> out'}, from: n, mode: batch}
              report: {consume: {shell: 'wc -l < out > report'}, after: [keep]}

            """)

        #expect(run.outcome == .complete)
        #expect(try test.lines("report").map { $0.trimmingCharacters(in: .whitespaces) } == ["3"])
    }
}
