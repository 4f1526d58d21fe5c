package import Leat

/// How far each stage is, how fast it goes and how long it may take, as text; without a clock or a terminal.
///
/// A rate is that of the last ten seconds. A time left is told only when no
/// further input can come: before, it would be a guess.
package struct ProgressReport: Sendable {
    private struct Sample: Sendable {
        let seconds: Double
        let counts: [StageName: Int64]
    }

    private static let window = 10.0
    private var samples: [Sample] = []
    private var stages: [StageStatus] = []

    package init() {}

    /// Takes what the store says at a time, in seconds of any clock that goes on.
    package mutating func add(_ stages: [StageStatus], at seconds: Double) {
        self.stages = stages
        let counts = Dictionary(stages.map { ($0.stage, Self.count($0)) }, uniquingKeysWith: { first, _ in first })
        samples.append(Sample(seconds: seconds, counts: counts))
        // One sample older than the window stays, so that the window is covered.
        while samples.count > 2, samples[1].seconds <= seconds - Self.window { samples.removeFirst() }
    }

    /// A line a stage, with a bar; none is wider than `width`.
    package func lines(width: Int) -> [String] {
        let barWidth = width < 110 ? 8 : 20
        let rows = stages.map { stage in
            [
                printable(stage.stage.rawValue), bar(stage, barWidth), figures(stage), rate(of: stage),
                remaining(of: stage), troubles(of: stage).joined(separator: ", "), word(of: stage),
            ]
        }
        let widths = (0..<7).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            // A column that is empty everywhere takes no place.
            let cells = zip(row, widths).filter { $1 > 0 }.map { $0.padded(to: $1) }
            return String(cells.joined(separator: "  ").withoutTrailingBlanks.prefix(max(width, 1)))
        }
    }

    /// All stages in one line, for a log.
    package var plainLine: String {
        stages.map { stage in
            let parts = [printable(stage.stage.rawValue), figures(stage), rate(of: stage), remaining(of: stage)]
            return (parts + troubles(of: stage) + [word(of: stage)]).filter { !$0.isEmpty }.joined(separator: " ")
        }.joined(separator: " · ")
    }

    private func bar(_ stage: StageStatus, _ width: Int) -> String {
        let share = stage.known > 0 ? Double(stage.settled) / Double(stage.known) : stage.state.isComplete ? 1 : 0
        let full = min(Int(share * Double(width)), width)
        return "[" + String(repeating: "#", count: full) + String(repeating: ".", count: width - full) + "]"
    }

    private func figures(_ stage: StageStatus) -> String {
        let figures = "\(grouped(stage.settled)) of \(grouped(stage.known))"
        guard stage.kind == .producer else { return figures }
        return "\(figures) shards, \(grouped(stage.emitted)) put"
    }

    private func rate(of stage: StageStatus) -> String {
        guard let rate = itemsPerSecond(stage), rate > 0, !stage.state.isComplete else { return "" }
        return rate >= 10 ? "\(grouped(Int64(rate.rounded())))/s" : "\(tenths(rate))/s"
    }

    private func remaining(of stage: StageStatus) -> String {
        guard stage.kind != .producer, stage.isClosed, let rate = itemsPerSecond(stage), rate > 0 else { return "" }
        let left = stage.known - stage.settled
        return left > 0 ? "\(shortDuration(Double(left) / rate)) left" : ""
    }

    private func troubles(of stage: StageStatus) -> [String] {
        // A failure was followed by a retry unless the item died of it, or the stage itself.
        let last = stage.kind == .producer && stage.state == .failed ? 1 : stage.dead
        let retries = max(stage.failures - last, 0)
        return [
            retries > 0 ? "\(grouped(retries)) \(retries == 1 ? "retry" : "retries")" : nil,
            stage.dead > 0 ? "\(grouped(stage.dead)) dead" : nil,
        ].compactMap { $0 }
    }

    private func word(of stage: StageStatus) -> String {
        guard let reason = stage.reason else { return stage.state.rawValue }
        return "\(stage.state.rawValue): \(printable(reason))"
    }

    /// `nil` until there are two samples.
    private func itemsPerSecond(_ stage: StageStatus) -> Double? {
        guard let first = samples.first, let last = samples.last, last.seconds > first.seconds else { return nil }
        let before = first.counts[stage.stage] ?? 0
        let now = last.counts[stage.stage] ?? 0
        // A retry takes dead items back: then the count falls, and there is no rate.
        return Double(max(now - before, 0)) / (last.seconds - first.seconds)
    }

    /// What a rate is of: a producer's items, the others' settled inputs.
    private static func count(_ stage: StageStatus) -> Int64 {
        stage.kind == .producer ? stage.emitted : stage.settled
    }
}

/// A number with commas between its thousands, whatever the locale: it is read by programs too.
package func grouped(_ number: Int64) -> String {
    var digits = Array(String(number.magnitude))
    var index = digits.count - 3
    while index > 0 {
        digits.insert(",", at: index)
        index -= 3
    }
    return (number < 0 ? "-" : "") + String(digits)
}

/// Seconds as a person says them: `9 s`, `4 min`, `2 h 5 min`.
package func shortDuration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e8 else { return "long" }
    let whole = Int(seconds.rounded(.up))
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole % 3600 / 60) min"
}

private func tenths(_ number: Double) -> String {
    let tenths = Int((number * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
}

extension String {
    /// Filled up with blanks on the right.
    package func padded(to width: Int) -> String {
        count < width ? self + String(repeating: " ", count: width - count) : self
    }

    package var withoutTrailingBlanks: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
