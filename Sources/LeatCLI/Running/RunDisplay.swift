internal import Leat
internal import LeatSupervisor
internal import Logging

/// What a run shows: bars that are redrawn, plain lines, JSON, or nothing.
actor RunDisplay {
    enum Mode: Sendable, Hashable {
        case none
        /// A bar a stage on standard error, redrawn five times a second.
        case bars
        /// A line on standard error every so often, the first and the last always.
        case lines(every: Duration)
        /// An object a line on standard output.
        case json

        /// What suits the place where the run was started.
        static func chosen(by format: OutputFormat) -> Mode {
            switch format {
            case .json: .json
            case .table: StandardError.mayRedraw() ? .bars : .lines(every: .seconds(5))
            }
        }
    }

    /// What `run --format json` prints.
    struct Line: Encodable, Sendable {
        /// `progress` or `end`.
        let event: String
        let pipeline: String
        let state: String
        var exit: Int32?
        /// Seconds since the start.
        let seconds: Double
        let stages: [StageStatus]
    }

    nonisolated let mode: Mode
    /// Where log lines must go, too, while there are bars.
    nonisolated let screen: Screen?
    private let pipeline: String
    private let now: @Sendable () -> Double
    private let start: Double
    private let say: @Sendable (String) -> Void
    private let output: @Sendable (String) throws -> Void
    private var report = ProgressReport()
    private var lastLine: Double?
    private var lastStages: [StageStatus] = []
    private var isOutputClosed = false

    init(
        _ mode: Mode, pipeline: String, now: @escaping @Sendable () -> Double = uptime,
        say: @escaping @Sendable (String) -> Void = StandardError.write,
        output: @escaping @Sendable (String) throws -> Void = StandardOutput.write
    ) {
        self.mode = mode
        self.pipeline = pipeline
        self.now = now
        self.say = say
        self.output = output
        start = now()
        screen = mode == .bars ? Screen() : nil
    }

    nonisolated var isQuiet: Bool { mode == .none }
    /// How often the stages are to be looked at.
    nonisolated var interval: Duration { mode == .bars ? .milliseconds(200) : .seconds(1) }

    func show(_ stages: [StageStatus]) {
        let time = now()
        report.add(stages, at: time)
        defer { lastStages = stages }
        switch mode {
        case .none: break
        case .bars: screen?.draw(report.lines(width: StandardError.width - 1))
        case .lines(let interval):
            if let lastLine, time - lastLine < interval.seconds { break }
            lastLine = time
            say(report.plainLine)
        case .json:
            if stages != lastStages { print(line("progress", StageState.running.rawValue, nil, stages)) }
        }
    }

    /// The last word: on standard output, for it is the run's result.
    func end(_ stages: [StageStatus], _ word: String, _ status: CommandStatus) {
        let time = now()
        report.add(stages, at: time)
        switch mode {
        case .none: return
        case .json: return print(line("end", word, status.rawValue, stages))
        case .bars: screen?.draw([])
        case .lines: say(report.plainLine)
        }
        let dead = stages.reduce(0) { $0 + $1.dead }
        let letters = dead > 0 ? ", \(grouped(dead)) dead \(dead == 1 ? "letter" : "letters")" : ""
        print("\(stageTable(stages))\n\n\(pipeline): \(word) in \(shortDuration(time - start))\(letters)")
    }

    private func line(_ event: String, _ state: String, _ exit: Int32?, _ stages: [StageStatus]) -> String? {
        let seconds = ((now() - start) * 1000).rounded() / 1000
        // It holds nothing that JSON can't: a line that can't be made is a mistake of ours that no run should end for.
        return try? jsonLine(
            Line(event: event, pipeline: pipeline, state: state, exit: exit, seconds: seconds, stages: stages))
    }

    /// A reader that has gone ends the printing, not the run; whatever else keeps it from being read is told.
    private func print(_ line: String?) {
        guard !isOutputClosed, let line else { return }
        do {
            try output(line)
        } catch {
            isOutputClosed = true
            if !(error is ClosedOutput) { say("error: \(error)") }
        }
    }
}

/// Seconds of the monotonic clock.
@Sendable func uptime() -> Double { Double(HostTime().instant) / 1e9 }
