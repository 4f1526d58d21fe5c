import Foundation
import Testing

@testable import Leat

@Suite("A cron expression")
struct CronExpressionTests {
    private static let vienna = TimeZone(identifier: "Europe/Vienna") ?? .gmt

    private func time(_ text: String) throws -> Date { try Date.ISO8601FormatStyle().parse(text) }

    /// The ticks after a time, as people read them.
    private func ticks(
        _ expression: CronExpression, after start: String, _ count: Int, in zone: TimeZone = .gmt
    ) throws -> [String] {
        let schedule = Schedule.cron(expression, in: zone)
        var last = try time(start)
        var found: [String] = []
        for _ in 0..<count {
            guard let next = schedule.tick(after: last) else { break }
            found.append(next.formatted(Date.ISO8601FormatStyle()))
            last = next
        }
        return found
    }

    @Test(
        "ticks when it says",
        arguments: [
            ("*/15 * * * *", ["2026-11-27T10:15:00Z", "2026-11-27T10:30:00Z", "2026-11-27T10:45:00Z"]),
            ("7 * * * *", ["2026-11-27T10:07:00Z", "2026-11-27T11:07:00Z", "2026-11-27T12:07:00Z"]),
            ("5,10-12 8-9/1 * * *", ["2026-11-28T08:05:00Z", "2026-11-28T08:10:00Z", "2026-11-28T08:11:00Z"]),
            ("50/5 * * * *", ["2026-11-27T10:50:00Z", "2026-11-27T10:55:00Z", "2026-11-27T11:50:00Z"]),
            ("0 9 * * mon-fri", ["2026-11-30T09:00:00Z", "2026-12-01T09:00:00Z", "2026-12-02T09:00:00Z"]),
            ("0 0 29 feb *", ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z", "2036-02-29T00:00:00Z"]),
            ("0 0 13 * FRI", ["2026-12-04T00:00:00Z", "2026-12-11T00:00:00Z", "2026-12-13T00:00:00Z"]),
            ("0 0 */10 * 1", ["2026-12-21T00:00:00Z", "2027-01-11T00:00:00Z", "2027-02-01T00:00:00Z"]),
            ("0 12 * * 7", ["2026-11-29T12:00:00Z", "2026-12-06T12:00:00Z", "2026-12-13T12:00:00Z"]),
            ("@monthly", ["2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"]),
            ("0 0 30 2 *", []),
        ] as [(CronExpression, [String])])
    func ticks(expression: CronExpression, expected: [String]) throws {
        #expect(try ticks(expression, after: "2026-11-27T10:00:00Z", 3) == expected)
    }

    @Test("ticks before 1970 too")
    func early() throws {
        #expect(
            try ticks("0 0 * * *", after: "1969-12-30T23:59:59Z", 2) == [
                "1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z",
            ])
    }

    @Test("ticks by the clocks of a time zone")
    func zone() throws {
        #expect(
            try ticks("30 2 * * *", after: "2026-07-01T12:00:00Z", 1, in: Self.vienna) == ["2026-07-02T00:30:00Z"])
        #expect(
            try ticks("30 2 * * *", after: "2026-12-01T12:00:00Z", 1, in: Self.vienna) == ["2026-12-02T01:30:00Z"])
    }

    @Test("ticks once in the night in which clocks are put forward past its time, so much later")
    func forward() throws {
        // In 2026 from 02:00 to 03:00 on the 29th of March.
        let found = try ticks("30 2 * * *", after: "2026-03-28T12:00:00Z", 2, in: Self.vienna)

        #expect(found == ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"])
    }

    @Test("ticks once in the night in which clocks show its time twice, but each time if it is for every hour")
    func back() throws {
        // In 2026 from 03:00 to 02:00 on the 25th of October.
        let nightly = try ticks("30 2 * * *", after: "2026-10-24T12:00:00Z", 2, in: Self.vienna)
        let hourly = try ticks("30 * * * *", after: "2026-10-24T23:40:00Z", 4, in: Self.vienna)

        #expect(nightly == ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"])
        #expect(
            hourly == [
                "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z", "2026-10-25T03:30:00Z",
            ])
    }

    @Test(
        "is refused with the field, what was found and what is allowed",
        arguments: [
            ("* * * *", "it has 4 fields instead of five"), ("", "it has 0 fields"),
            ("60 * * * *", "'60' is no minute (0 to 59; *, ranges and steps)"),
            ("* * 0 * *", "'0' is no day of the month (1 to 31"), ("* * * 13 *", "'13' is no month"),
            ("* * * * sunday", "'sunday' is no day of the week (0 to 7, or sun to sat"),
            ("5-3 * * * *", "the range '5-3' of the minute ends before it begins"),
            ("*/0 * * * *", "'*/0' is no minute"),
            ("1,,2 * * * *", "'' is no minute"), ("-1 * * * *", "'-1' is no minute"),
            ("+5 * * * *", "'+5' is no minute"),
            ("@never", "the words are @annually, @daily"), ("a\u{1B}[2J * * * *", "'a\\u{1b}[2J' is no minute"),
        ])
    func malformed(text: String, sentence: String) {
        let error = #expect(throws: LeatError.self) { try CronExpression(checking: text) }

        #expect(error?.code == .refused)
        #expect(error?.message.contains(sentence) == true, "\(String(describing: error))")
    }
}
