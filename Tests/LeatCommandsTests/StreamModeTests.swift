import Foundation
import Leat
import Testing

@testable import LeatCommands

@Suite("Mode stream", .timeLimit(.minutes(5)))
struct StreamModeTests {
    private let objects = #"{shell: 'seq COUNT | awk "{print \"{\\\"id\\\":\" \$1 \"}\"}"'}"#

    private func objects(_ count: Int) -> String { objects.replacingOccurrences(of: "COUNT", with: "\(count)") }

    @Test("answers a line with a line, and each once, even if the command holds them back")
    func filter() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(2000, "transform: [sed, s/$/x/]\nmode: stream\nordered: trust")

        #expect(run.outcome == .complete)
        #expect(try test.lines("out") == (1...2000).map { "\($0)x" })
    }

    @Test("puts nothing for an empty line")
    func empty() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(
            10, "transform: {shell: 'awk \"{print \\$1 % 2 ? \\$1 : \\\"\\\"}\"'}\nmode: stream\nordered: trust")

        #expect(run.outcome == .complete)
        #expect(try test.lines("out") == ["1", "3", "5", "7", "9"])
        #expect(run["work"]?.done == 10)
    }

    @Test(
        "finds a filter that answers nothing, or twice, or something else, by the echo, and blames the line alone",
        arguments: [
            "/:42}/ {next} {print}", "{print} /:42}/ {print}", "/:42}/ {print \"{}\"; next} {print}",
            "/:42}/ {exit 1} {print}", "/:42}/ {print \"log\"} {print}",
            "/:42}/ {while (i++ < 5000) printf \"too long\"} {print}",
        ])
    func echo(program: String) async throws {
        let test = try CommandRun()
        defer { test.remove() }
        try test.write(program, to: "filter.awk")

        let run = try await test.transform(
            100, "transform: [awk, -f, filter.awk]\nmode: stream\necho: id\nlimits: {output: 20KB}",
            producer: objects(100))

        #expect(run.outcome == .completeWithErrors, "\(run["work"]?.reason ?? "")")
        #expect(try await test.dead() == [#"{"id":42}"#])
        let expected = (1...100).filter { $0 != 42 }.map { "{\"id\":\($0)}" }
        #expect(Set(try test.lines("out")) == Set(expected))
        #expect(try test.lines("out").count == 99)
    }

    @Test("refuses an item without the field that is to be repeated, and no other")
    func noEcho() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(
            3, "transform: [cat]\nmode: stream\necho: id",
            producer: #"{shell: 'echo "{\"id\":1}"; echo no; echo "{\"id\":3}"'}"#)

        #expect(run.outcome == .completeWithErrors)
        #expect(try await test.dead() == ["no"])
        #expect(try test.lines("out") == [#"{"id":1}"#, #"{"id":3}"#])
    }

    @Test("finds the echo beside the members of an envelope")
    func routes() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.run(
            """
              read: {produce: \(objects(5)), to: n}
              work:
                transform: [sed, 's/^{\\(.*\\)}$/{\\1,"body":"\\1"}/; s/"body":""id"/"body":"id/']
                from: n
                to: {route: [m]}
                mode: stream
                echo: id
              keep: {consume: {shell: 'cat >> out'}, from: m, mode: batch}

            """)

        #expect(run.outcome == .complete)
        #expect(try test.lines("out") == (1...5).map { "id:\($0)" })
    }

    @Test("expects nothing of a command that was given nothing, as its items could not be")
    func nothingGiven() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        // Longer than the timeout and the second for which a source's lines wait for others.
        let run = try await test.transform(
            0, "transform: [cat]\nmode: stream\necho: id\ntimeout: 3s",
            producer: #"{shell: 'echo no; sleep 6; echo "{\"id\":1}"'}"#)

        #expect(run.outcome == .completeWithErrors)
        #expect(run["work"]?.failures == 1, "the refused item's")
        #expect(try test.lines("out") == [#"{"id":1}"#])
    }

    @Test("goes on with another process when one has had enough")
    func head() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(
            20, "transform: [head, -n, '3']\nmode: stream\necho: id", producer: objects(20))

        #expect(run.outcome == .complete)
        #expect(try test.lines("out").sorted() == (1...20).map { "{\"id\":\($0)}" }.sorted())
        #expect(run["work"]?.failures == 0)
    }

    @Test("keeps the answers of a command that ends badly after it has given them all, and charges no item")
    func endsBadly() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(
            20, "transform: {shell: 'cat; exit 65'}\nmode: stream\necho: id", producer: objects(20))

        #expect(run.outcome == .complete)
        #expect(try test.lines("out").count == 20)
        #expect(try await test.dead() == [])
        #expect(run["work"]?.failures == 1)
    }

    @Test("fails the stage when it took the order on trust and lines are missing, or left over")
    func trust() async throws {
        for filter in ["grep -v 7", "sed p", "head -n 3"] {
            let test = try CommandRun()
            defer { test.remove() }

            let run = try await test.transform(
                60, "transform: {shell: '\(filter)'}\nmode: stream\nordered: trust")

            #expect(run.outcome == .failed, "\(filter)")
            #expect(run["work"]?.dead == 0)
        }
    }

    @Test("charges an item that gets no answer in time, and ends the command")
    func timeout() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(
            4,
            "transform: {shell: 'while read n; do [ $n = 3 ] && sleep 600; echo $n; done'}\nmode: stream\nordered: trust\ntimeout: 3s"
        )

        #expect(run.outcome == .completeWithErrors)
        #expect(try await test.dead() == ["3"])
        #expect(Set(try test.lines("out")) == ["1", "2", "4"])
    }

    @Test("takes half a line as no answer")
    func halfALine() async throws {
        let test = try CommandRun()
        defer { test.remove() }

        let run = try await test.transform(
            5,
            "transform: {shell: 'while read n; do [ $n = 3 ] && { printf half; exit 1; }; echo $n; done'}\nmode: stream\nordered: trust"
        )

        #expect(run.outcome == .completeWithErrors)
        #expect(try await test.dead() == ["3"])
        #expect(Set(try test.lines("out")) == ["1", "2", "4", "5"])
    }
}
