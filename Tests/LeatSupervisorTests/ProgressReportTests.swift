import Leat
import LeatSupervisor
import Testing

@Suite("the progress report")
struct ProgressReportTests {
    @Test("has a line a stage: bar, settled of known, rate, time left, retries, dead, state")
    func lines() {
        var report = ProgressReport()
        report.add(stages(at: 0), at: 0)
        report.add(stages(at: 1000), at: 2)

        let lines = report.lines(width: 200)

        #expect(
            lines == [
                "extract  [##########..........]  6 of 12 shards, 1,000 put  500/s                               running",
                "enrich   [#####...............]  1,000 of 4,000             500/s  6 s left  3 retries, 2 dead  running",
                "report   [....................]  0 of 0                                                         blocked: stage enrich failed",
            ])
    }

    @Test("is no wider than the terminal")
    func width() {
        var report = ProgressReport()
        report.add(stages(at: 0), at: 0)

        #expect(report.lines(width: 30).allSatisfy { $0.count <= 30 })
        #expect(report.lines(width: 80).allSatisfy { $0.contains("[") && $0.count <= 80 })
    }

    @Test("tells no rate before there are two looks, and no time left before the input is closed")
    func unknown() {
        var report = ProgressReport()
        var open = status("enrich", .transformer, .running, ready: 100, done: 10)
        report.add([open], at: 0)
        #expect(report.plainLine == "enrich 10 of 110 running")

        open.done = 20
        report.add([open], at: 1)

        #expect(report.plainLine == "enrich 20 of 120 10/s running")
    }

    @Test("measures the last ten seconds")
    func window() {
        var report = ProgressReport()
        for second in 0...60 {
            let done = second <= 30 ? Int64(second) * 1000 : 30_000 + Int64(second - 30) * 10
            report.add([status("load", .consumer, .running, done: done)], at: Double(second))
        }

        #expect(report.plainLine == "load 30,300 of 30,300 10/s running")
    }

    @Test("shows names and reasons from outside without control characters")
    func escaping() {
        var report = ProgressReport()
        report.add([status("load", .consumer, .failed, reason: "bad \u{1B}[31m\u{202E}row")], at: 0)

        #expect(report.plainLine == "load 0 of 0 failed: bad \\u{1b}[31m\\u{202e}row")
        #expect(report.lines(width: 200).allSatisfy { !$0.unicodeScalars.contains("\u{1B}") })
    }

    @Test("is one line elsewhere than on a terminal")
    func plain() {
        var report = ProgressReport()
        report.add(stages(at: 0), at: 0)
        report.add(stages(at: 1000), at: 2)

        #expect(
            report.plainLine
                == "extract 6 of 12 shards, 1,000 put 500/s running · enrich 1,000 of 4,000 500/s 6 s left 3 retries 2 dead running · report 0 of 0 blocked: stage enrich failed"
        )
    }

    @Test(
        "says durations as a person does",
        arguments: [(0.2, "1 s"), (59, "59 s"), (61, "1 min 1 s"), (7500, "2 h 5 min"), (.infinity, "long")])
    func durations(seconds: Double, expected: String) { #expect(shortDuration(seconds) == expected) }

    @Test("groups thousands", arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567")])
    func numbers(number: Int64, expected: String) { #expect(grouped(number) == expected) }

    private func stages(at count: Int64) -> [StageStatus] {
        [
            status("extract", .producer, .running, ready: 6, done: 6, emitted: count),
            status(
                "enrich", .transformer, .running, ready: 4000 - count, done: max(count - 2, 0),
                dead: count > 0 ? 2 : 0, failures: 5, isClosed: true),
            status("report", .consumer, .blocked, reason: "stage enrich failed"),
        ]
    }
}
