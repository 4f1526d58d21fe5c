internal import ArgumentParser
internal import Foundation

/// A time as RFC 3339 writes it, with its offset from UTC: a time without one is nobody's.
struct WallTime: ExpressibleByArgument, Sendable {
    let date: Date

    init?(argument: String) {
        let seconds = Date.ISO8601FormatStyle()
        let fractions = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        guard let date = (try? seconds.parse(argument)) ?? (try? fractions.parse(argument)) else { return nil }
        self.date = date
    }
}
