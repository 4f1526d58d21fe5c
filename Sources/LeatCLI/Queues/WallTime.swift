internal import ArgumentParser
internal import Foundation

/// A time as RFC 3339 writes it, with its offset from UTC: a time without one is nobody's.
struct WallTime: ExpressibleByArgument, Sendable {
    let date: Date

    /// - Parameter milliseconds: since 1970.
    init(_ milliseconds: Int64) { date = Date(timeIntervalSince1970: Double(milliseconds) / 1000) }

    init?(argument: String) {
        let seconds = Date.ISO8601FormatStyle()
        let fractions = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        guard Self.isDay(argument.prefix(10)),
            let date = (try? seconds.parse(argument)) ?? (try? fractions.parse(argument))
        else { return nil }
        self.date = date
    }

    var text: String { date.formatted(Date.ISO8601FormatStyle()) }

    /// The format takes the 30th of February for the 2nd of March.
    private static func isDay(_ text: Substring) -> Bool {
        let numbers = text.split(separator: "-").compactMap { Int($0) }
        guard numbers.count == 3 else { return false }
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        return DateComponents(year: numbers[0], month: numbers[1], day: numbers[2]).isValidDate(in: calendar)
    }
}
