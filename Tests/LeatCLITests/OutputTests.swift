import Foundation
import Leat
import Logging
import Synchronization
import Testing

@testable import LeatCLI

@Suite("what is printed")
struct OutputTests {
    @Test("a table stands in columns, numbers on the right, and nothing in it reaches the terminal unescaped")
    func table() {
        var table = TextTable(["STAGE", "DONE", "REASON"])
        table.add(["load" as StageName, Int64(12_345), "bad \u{1B}[2J\u{202E}row\n"])
        table.add(["enrich" as StageName, Int64(7), ""])

        #expect(
            table.text == """
                STAGE     DONE  REASON
                load    12,345  bad \\u{1b}[2J\\u{202e}row\\n
                enrich       7
                """)
    }

    @Test("JSON is one line with sorted keys, and has no control or bidirectional character in it")
    func json() throws {
        let line = try jsonLine(["b": "two\nlines", "a": "\u{1B}\u{9B}\u{202E}/"])

        #expect(
            line == #"{"a":"\u001B\u009b\u202e/","b":"two\nlines"}"#
                || line == #"{"a":"\u001b\u009b\u202e/","b":"two\nlines"}"#)
        #expect(try JSONDecoder().decode([String: String].self, from: Data(line.utf8))["a"] == "\u{1B}\u{9B}\u{202E}/")
    }

    @Test("gives figures in Prometheus's format, each name once with its type")
    func prometheus() throws {
        let queue = QueueStatus(
            queue: "raw", stage: nil, isSealed: false, isClosed: false, ready: 3, waiting: 0, leased: 1, done: 12,
            dead: 0, skipped: 0, oldestReadyAt: 1_500)
        let stage = StageStatus(
            stage: "load", kind: .consumer, state: .completeWithErrors, ready: 0, waiting: 0, leased: 0, done: 9,
            dead: 1, skipped: 0, emitted: 7, failures: 2, refused: 4, workers: 2, isClosed: true, reason: nil)

        let lines = PrometheusText(queues: [queue], stages: [stage], now: 4_000).text.split(separator: "\n").map(
            String.init)

        for line in [
            #"leat_queue_items{queue="raw",state="ready"} 3"#, #"leat_queue_items{queue="raw",state="done"} 12"#,
            #"leat_queue_oldest_ready_seconds{queue="raw"} 2.5"#, #"leat_queue_closed{queue="raw"} 0"#,
            #"leat_stage_state{stage="load",state="complete with errors"} 1"#,
            #"leat_stage_state{stage="load",state="failed"} 0"#, #"leat_stage_workers{stage="load"} 2"#,
            #"leat_stage_put_total{stage="load"} 7"#, #"leat_stage_failures_total{stage="load"} 2"#,
            #"leat_stage_refused_total{stage="load"} 4"#,
        ] { #expect(lines.contains(line), "\(line)") }
        let types = lines.filter { $0.hasPrefix("# TYPE ") }
        #expect(Set(types).count == types.count && types.count == 8)
        let sample = /[a-z_]+\{[a-z]+="[a-z ]+"(,[a-z]+="[a-z ]+")?\} [0-9.]+/
        #expect(lines.allSatisfy { $0.hasPrefix("#") || $0.wholeMatch(of: sample) != nil })
    }

    @Test("shows an item with its lineage, as a table and as JSON")
    func itemLines() throws {
        let record = ItemRecord(
            id: ItemID(3), payload: .blob([255]), key: nil, group: "a-17", origin: "make", parent: ItemID(1),
            state: .waiting, claims: 2, attempts: 1, kills: 0, suspect: 0, priority: 0, dueAt: 1000, reason: "no luck")

        let line = try object(try jsonLine(ItemLine(record)))
        let row = itemTable([record]).split(separator: "\n")[1].split(separator: " ").map(String.init)

        #expect(line["item"] as? Int == 3)
        #expect(line["parent"] as? Int == 1)
        #expect(line["state"] as? String == "waiting")
        #expect(line["payload"] == nil)
        #expect(line["payload_base64"] as? String == "/w==")
        #expect(line["group"] as? String == "a-17")
        #expect(line["due_at"] as? Int == 1000)
        #expect(
            row == [
                "3", "waiting", "1970-01-01T00:00:01Z", "-", "a-17", "make", "1", "1", "no", "luck", "1", "bytes",
            ])
        #expect(itemTable([]) == "No items.")
    }

    @Test("a status is an object with its stages and workers")
    func statusShape() throws {
        let plan = try Plan(
            pipeline: "p",
            stages: [
                StageSpec("make", kind: .producer, outputs: ["q"]), StageSpec("use", kind: .consumer, input: "q"),
            ])
        let workers = [1, 2, 3].map { number in
            WorkerRecord(
                id: WorkerID(Int64(number)), stage: "use", pid: Int32(number), log: nil, startedAt: 0, seenAt: 0,
                isLive: false, ending: number < 3 ? "killed" : "finished")
        }

        let report = StatusReport(
            plan: plan, stages: stages(.complete), workers: workers, isRunning: false, supervisor: nil)

        let object = try object(try jsonLine(report))
        #expect(object["pipeline"] as? String == "p")
        #expect(object["state"] as? String == "complete")
        let stages = try #require(object["stages"] as? [[String: Any]])
        #expect(stages.first?["stage"] as? String == "make")
        #expect(stages.first?["state"] as? String == "complete")
        #expect(stages.first?["emitted"] as? Int == 5)
        let shown = try #require(object["workers"] as? [[String: Any]])
        #expect(shown.map { $0["id"] as? Int } == [3])
    }

    @Test("discrepancies are a line each")
    func verifyShape() throws {
        let report = VerifyReport([Discrepancy("done items of queue q", expected: "3", found: "2")])

        #expect(report.text == "done items of queue q: expected 3, found 2")
        let object = try object(try jsonLine(report))
        #expect(object["balanced"] as? Bool == false)
        #expect((object["discrepancies"] as? [[String: String]])?.first?["found"] == "2")
        #expect(try jsonLine(VerifyReport([])) == #"{"balanced":true,"discrepancies":[]}"#)
    }

    @Test("a dead letter has its payload as text, or in base 64")
    func deadShape() throws {
        let text = DeadLetter(stage: "s", queue: "q", item: ItemID(1), attempts: 3, reason: "r", payload: .text("{}"))
        let blob = DeadLetter(
            stage: "s", queue: "q", item: ItemID(2), attempts: 1, reason: "\u{1B}", payload: .blob([0, 255]))

        #expect(
            try jsonLine(DeadLetterLine(text))
                == #"{"attempts":3,"item":1,"payload":"{}","queue":"q","reason":"r","stage":"s"}"#)
        #expect(try object(try jsonLine(DeadLetterLine(blob)))["payload_base64"] as? String == "AP8=")
        #expect(!deadLetterTable([text, blob]).unicodeScalars.contains("\u{1B}"))
    }

    @Test("a run on a terminal redraws its bars, and puts what else is said above them")
    func screen() {
        let written = Mutex("")
        let screen = Screen { text in written.withLock { $0 += text } }

        screen.draw(["one", "two"])
        screen.print("said")
        screen.draw(["three"])

        #expect(
            written.withLock { $0 }
                == "one\ntwo\n\u{1B}[2A\u{1B}[Jsaid\none\ntwo\n\u{1B}[2A\u{1B}[Jthree\n")
    }

    @Test("a run elsewhere says the first line, then one every five seconds, and the last")
    func plainLines() async {
        let log = Recorder()
        let display = log.display(.lines(every: .seconds(5)))

        for second in 0...11 {
            log.time.withLock { $0 = Double(second) }
            await display.show(stages(.running))
        }
        await display.end(stages(.complete), "complete", .complete)

        #expect(log.said.withLock { $0.count } == 4)
        #expect(log.output.withLock { $0 }.last?.hasSuffix("p: complete in 11 s") == true)
    }

    @Test("a run for programs prints an object when something has changed, and one at the end")
    func jsonLines() async throws {
        let log = Recorder()
        let display = log.display(.json)

        await display.show(stages(.running))
        await display.show(stages(.running))
        await display.end(stages(.completeWithErrors), "complete with errors", .completeWithErrors)

        let lines = try log.output.withLock { $0 }.map(object)
        #expect(lines.map { $0["event"] as? String } == ["progress", "end"])
        #expect(lines.last?["state"] as? String == "complete with errors")
        #expect(lines.last?["exit"] as? Int == 30)
        #expect(log.said.withLock { $0 }.isEmpty)
    }

    @Test("a quiet run prints nothing")
    func quiet() async {
        let log = Recorder()
        let display = log.display(.none)

        await display.show(stages(.running))
        await display.end(stages(.complete), "complete", .complete)

        #expect(log.output.withLock { $0 }.isEmpty && log.said.withLock { $0 }.isEmpty)
    }

    @Test("a run goes on in silence when the reader of its output has gone")
    func closedOutput() async {
        let log = Recorder(isClosed: true)
        let display = log.display(.json)

        await display.show(stages(.running))
        await display.end(stages(.complete), "complete", .complete)

        #expect(log.output.withLock { $0.count } == 1)
    }

    @Test("a log line has a time, a level, and its metadata, escaped")
    func logLine() {
        let line = ConsoleLog.line(.warning, "bad \u{1B}row", ["b": "2", "a": "1"], at: 1_763_892_733)

        #expect(line == "2025-11-23T10:12:13Z warning bad \\u{1b}row a=1 b=2")
    }

    private func stages(_ state: StageState) -> [StageStatus] {
        [("make" as StageName, StageKind.producer), ("use", .consumer)].map { name, kind in
            StageStatus(
                stage: name, kind: kind, state: state, ready: state.isComplete ? 0 : 1, waiting: 0, leased: 0, done: 5,
                dead: 0, skipped: 0, emitted: 5, failures: 0, refused: 0, workers: 0, isClosed: state.isComplete,
                reason: nil)
        }
    }

    private func object(_ line: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }
}

/// Keeps what a display prints, and has a clock that is set.
private final class Recorder: Sendable {
    let time = Mutex(0.0)
    let said = Mutex<[String]>([])
    let output = Mutex<[String]>([])
    private let isClosed: Bool

    init(isClosed: Bool = false) { self.isClosed = isClosed }

    func display(_ mode: RunDisplay.Mode) -> RunDisplay {
        RunDisplay(
            mode, pipeline: "p", now: { self.time.withLock { $0 } },
            say: { line in self.said.withLock { $0.append(line) } },
            output: { line in
                self.output.withLock { $0.append(line) }
                if self.isClosed { throw ClosedOutput() }
            })
    }
}
