internal import Synchronization

/// The last lines of a terminal, drawn over again and again; what else is said goes above them.
final class Screen: Sendable {
    private let lines = Mutex<[String]>([])
    private let output: @Sendable (String) -> Void

    init(output: @escaping @Sendable (String) -> Void = StandardError.writeRaw) { self.output = output }

    /// Replaces what is drawn.
    func draw(_ new: [String]) {
        lines.withLock { lines in
            output(Self.erasing(lines.count) + Self.text(new))
            lines = new
        }
    }

    /// Says something above what is drawn.
    func print(_ line: String) {
        lines.withLock { lines in output(Self.erasing(lines.count) + Self.text([line]) + Self.text(lines)) }
    }

    private static func text(_ lines: [String]) -> String { lines.map { $0 + "\n" }.joined() }

    /// Up so many lines, and clear to the end of the screen (ECMA-48: CUU, ED).
    private static func erasing(_ count: Int) -> String { count > 0 ? "\u{1B}[\(count)A\u{1B}[J" : "" }
}
