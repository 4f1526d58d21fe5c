internal import Leat
internal import Logging

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// Log lines for standard error: `2026-11-23T10:12:13Z warning message key=value`.
struct ConsoleLog: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    private let screen: Screen?

    /// - Parameter screen: a screen whose lines must not be torn.
    static func logger(_ label: String, level: Logger.Level, through screen: Screen?) -> Logger {
        Logger(label: label) { _ in ConsoleLog(logLevel: level, screen: screen) }
    }

    private init(logLevel: Logger.Level, screen: Screen?) {
        self.logLevel = logLevel
        self.screen = screen
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
        let line = Self.line(event.level, "\(event.message)", all, at: time(nil))
        if let screen { screen.print(line) } else { StandardError.write(line) }
    }

    static func line(
        _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata, at seconds: Int
    ) -> String {
        let pairs = metadata.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        return "\(timestamp(seconds)) \(level) \(printable(message + pairs))"
    }

    private static func timestamp(_ seconds: Int) -> String {
        var instant = time_t(seconds)
        var parts = tm()
        gmtime_r(&instant, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        return "\(date)T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
    }
}
