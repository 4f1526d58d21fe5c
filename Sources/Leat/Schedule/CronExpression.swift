#if canImport(FoundationEssentials)
internal import struct FoundationEssentials.Date
internal import struct FoundationEssentials.TimeZone
#else
internal import struct Foundation.Date
internal import struct Foundation.TimeZone
#endif

/// Minutes of the calendar, as cron writes them: minute, hour, day of the month, month and day of the week.
///
/// A field is `*`, a number, a range `1-5`, either with a step `*/15`, or several of these with commas between them.
/// Months and days of the week have English names too (`jan`, `mon`), and Sunday is 0 or 7. When neither field of a
/// day begins with `*`, a day of either will do; else it must be one of both. `@hourly`, `@daily` (`@midnight`), `@weekly`, `@monthly` and `@yearly` (`@annually`) are short for the first
/// minute of each. `5/10` is from 5 on.
/// (The crontab format of POSIX, https://pubs.opengroup.org/onlinepubs/9799919799/utilities/crontab.html, with the
/// steps, names and short words that everybody adds to it.)
///
/// ```swift
/// let workdays: CronExpression = "0 9 * * mon-fri"
/// ```
public struct CronExpression: Sendable, Hashable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// As it was written.
    public let description: String
    private let minutes: CronField
    private let hours: CronField
    private let days: CronField
    private let months: CronField
    private let weekdays: CronField

    /// Takes an expression that came from outside.
    ///
    /// - Throws: ``LeatError/Code/refused``, naming the field, what was found and what is allowed.
    public init(checking text: String) throws {
        let written = Self.shortWords[text.lowercased()] ?? text
        guard !written.hasPrefix("@") else {
            throw LeatError(
                .refused,
                "'\(printable(text))' is no cron expression: the words are \(Self.shortWords.keys.sorted().joined(separator: ", "))."
            )
        }
        let fields = written.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
        guard fields.count == 5 else {
            throw LeatError(
                .refused,
                "'\(printable(text))' is no cron expression: it has \(fields.count) \(fields.count == 1 ? "field" : "fields") instead of five (minute, hour, day of the month, month, day of the week)."
            )
        }
        description = text
        do {
            minutes = try CronField(fields[0], .minute)
            hours = try CronField(fields[1], .hour)
            days = try CronField(fields[2], .day)
            months = try CronField(fields[3], .month)
            weekdays = try CronField(fields[4], .weekday)
        } catch let error as CronField.Malformed {
            throw LeatError(.refused, "'\(printable(text))' is no cron expression: \(error.sentence).")
        }
    }

    /// An expression written in the program; a malformed one is a programmer's error and stops it.
    public init(stringLiteral text: String) {
        do {
            try self.init(checking: text)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    private static let shortWords = [
        "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
        "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
    ]

    // MARK: Ticks

    /// The first tick after a time, both in milliseconds since 1970.
    func tick(after time: Int64, in zone: TimeZone) -> Int64? {
        let second = time.dividedRoundingDown(by: 1000)
        // The day before, since a tick of an hour that is left out comes later than it is written.
        let today = (second + offset(of: second, zone)).dividedRoundingDown(by: 86_400)
        for day in (today - 1)...(today + 366 * 40) where isDay(day) {
            let isPlain = hasOneOffset(day, zone)
            if let tick = ticks(of: day, after: second, zone, firstOnly: isPlain).min() { return tick * 1000 }
        }
        return nil
    }

    /// The last tick between two times, the later one included; it looks back from that, day by day.
    func lastTick(after first: Int64, through last: Int64, in zone: TimeZone) -> Int64? {
        let (first, last) = (first.dividedRoundingDown(by: 1000), last.dividedRoundingDown(by: 1000))
        let begin = (first + offset(of: first, zone)).dividedRoundingDown(by: 86_400) - 1
        let end = (last + offset(of: last, zone)).dividedRoundingDown(by: 86_400) + 1
        guard begin <= end else { return nil }
        for day in (begin...end).reversed() where isDay(day) {
            let ticks = ticks(of: day, after: first, zone, firstOnly: false).filter { $0 <= last }
            if let tick = ticks.max() { return tick * 1000 }
        }
        return nil
    }

    /// Whether clocks are not changed around a day: then its ticks come in the order in which they are written.
    private func hasOneOffset(_ day: Int64, _ zone: TimeZone) -> Bool {
        offset(of: (day - 2) * 86_400, zone) == offset(of: (day + 3) * 86_400, zone)
    }

    private func isDay(_ day: Int64) -> Bool {
        let date = CivilDate(daysSince1970: day)
        guard months.contains(date.month) else { return false }
        // The 1st of January 1970 was a Thursday.
        let weekday = Int((day + 4).remainderRoundingDown(by: 7))
        if days.isAny || weekdays.isAny { return days.contains(date.day) && weekdays.contains(weekday) }
        return days.contains(date.day) || weekdays.contains(weekday)
    }

    /// The seconds since 1970 of a day's ticks that come after a time.
    private func ticks(of day: Int64, after time: Int64, _ zone: TimeZone, firstOnly: Bool) -> [Int64] {
        var ticks: [Int64] = []
        for hour in 0...23 where hours.contains(hour) {
            for minute in 0...59 where minutes.contains(minute) {
                let local = day * 86_400 + Int64(hour * 3600 + minute * 60)
                // No zone is a day away from UTC, nor changes its offset by more.
                guard local + 2 * 86_400 > time else { continue }
                ticks += instants(of: local, zone).filter { $0 > time }
                if firstOnly, !ticks.isEmpty { return ticks }
            }
        }
        return ticks
    }

    /// When clocks in a zone show a time: once, mostly; twice when they are put back; and when they are put forward past
    /// it, the time as it would have been without that.
    private func instants(of local: Int64, _ zone: TimeZone) -> [Int64] {
        let before = offset(of: local - 86_400, zone)
        let after = offset(of: local + 86_400, zone)
        guard before != after else { return [local - before] }
        let found = [local - before, local - after].filter { $0 + offset(of: $0, zone) == local }.sorted()
        guard let first = found.first else { return [local - before] }
        return hours.isEvery ? found : [first]
    }

    private func offset(of time: Int64, _ zone: TimeZone) -> Int64 {
        Int64(zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(time))))
    }
}

/// One field of a cron expression: the numbers that it allows.
private struct CronField: Sendable, Hashable {
    struct Kind {
        let name: String
        let range: ClosedRange<Int>
        var words: [String] = []

        static let minute = Kind(name: "minute", range: 0...59)
        static let hour = Kind(name: "hour", range: 0...23)
        static let day = Kind(name: "day of the month", range: 1...31)
        static let month = Kind(
            name: "month", range: 1...12,
            words: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
        /// 7 is Sunday once more.
        static let weekday = Kind(
            name: "day of the week", range: 0...7, words: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"])
    }

    struct Malformed: Error {
        let sentence: String
    }

    private var bits: UInt64 = 0
    /// Whether it begins with `*`: then it restricts another field of days, rather than adding to it.
    let isAny: Bool

    init(_ text: String, _ kind: Kind) throws {
        isAny = text.hasPrefix("*")
        func malformed(_ part: Substring) -> Malformed {
            let words = kind.words.isEmpty ? "" : ", or \(kind.words[0]) to \(kind.words[kind.words.count - 1])"
            return Malformed(
                sentence:
                    "'\(printable(String(part)))' is no \(kind.name) (\(kind.range.lowerBound) to \(kind.range.upperBound)\(words); *, ranges and steps)"
            )
        }
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let halves = part.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            let step = halves.count == 2 ? Int(halves[1]) : 1
            guard let step, step >= 1 else { throw malformed(part) }
            let range: ClosedRange<Int>
            if halves[0] == "*" {
                range = kind.range
            } else {
                let ends = halves[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
                let numbers = ends.compactMap { Self.number($0, kind) }
                guard numbers.count == ends.count, let first = numbers.first, let last = numbers.last else {
                    throw malformed(part)
                }
                guard first <= last else {
                    throw Malformed(
                        sentence:
                            "the range '\(printable(String(part)))' of the \(kind.name) ends before it begins\(kind.words.first == "sun" ? "; Sunday is 0 at the beginning of a week, and 7 at its end" : "")"
                    )
                }
                // `5/15`: from 5 on.
                range = first...(ends.count == 1 && halves.count == 2 ? kind.range.upperBound : last)
            }
            for number in stride(from: range.lowerBound, through: range.upperBound, by: step) {
                bits |= 1 << UInt64(kind.range.upperBound == 7 ? number % 7 : number)
            }
        }
    }

    private static func number(_ text: Substring, _ kind: Kind) -> Int? {
        if let word = kind.words.firstIndex(of: text.lowercased()) { return word + (kind.range.lowerBound) }
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(text),
            kind.range.contains(number)
        else { return nil }
        return number
    }

    /// Whether it allows every number.
    var isEvery: Bool { isAny && bits.nonzeroBitCount >= 24 }

    func contains(_ number: Int) -> Bool { bits & (1 << UInt64(number)) != 0 }
}

/// A day of the Gregorian calendar (the arithmetic of https://howardhinnant.github.io/date_algorithms.html).
private struct CivilDate {
    let month: Int
    let day: Int

    init(daysSince1970 days: Int64) {
        // Counted from the 1st of March of the year 0, so that a leap day is the last of its year.
        let shifted = days + 719_468
        let dayOfEra = shifted.remainderRoundingDown(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
        month = Int(shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9)
    }
}

extension Int64 {
    fileprivate func remainderRoundingDown(by divisor: Int64) -> Int64 {
        let rest = self % divisor
        return rest < 0 ? rest + divisor : rest
    }

    fileprivate func dividedRoundingDown(by divisor: Int64) -> Int64 {
        (self - remainderRoundingDown(by: divisor)) / divisor
    }
}
