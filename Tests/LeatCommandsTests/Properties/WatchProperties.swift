import Leat
import Testing

@testable import LeatCommands
@testable import LeatProcess

@Suite("Judging a command's end")
struct VerdictProperties {
    @Test("holds for all statuses and signals, and looks first at why it was ended")
    func all() {
        let pause = Duration.seconds(7)
        let ends = (0...255).map(Termination.exited) + (1...64).map(Termination.signalled)
        for end in ends {
            let expected: ExitVerdict =
                switch end {
                case .exited(0): .success
                case .exited(65): .failed(.never)
                case .exited(75): .failed(.postpone(pause))
                case .exited(126), .exited(127): .stageFailed(.never)
                default: .failed(.backOff)
                }
            for (cause, verdict) in [
                (nil, expected), (.stopped, .interrupted), (.timedOut, .failed(.backOff)),
                (.unwanted, .failed(.backOff)),
            ] as [(CommandWatch.Cause?, ExitVerdict)] {
                #expect(
                    ExitVerdict(of: CommandEnd(termination: end, cause: cause), pause: pause) == verdict, "\(end)")
            }
        }
    }
}

@Suite("A command's time, in every order of events")
struct WatchProperties {
    private enum Event: CaseIterable { case expect, rest, stop, end, tick, sleep }

    /// A watch, with what is known of it from outside.
    private struct Walk: Hashable {
        var watch: CommandWatch
        /// Time that was seen since something was expected; `nil` when nothing is.
        var waited: Duration?
        var stopped: Duration?
        var sinceTerm: Duration?
        var isKilled = false
    }

    private static let timeout = Duration.seconds(1)
    /// The most that is counted of a time, however long it was.
    private static let step = Duration.milliseconds(500)

    private func after(_ event: Event, _ walk: Walk) throws -> Walk {
        var next = walk
        switch event {
        case .expect: (next.waited, _) = (.zero, next.watch.expect())
        case .rest: (next.waited, _) = (nil, next.watch.rest())
        case .stop: (next.stopped, _) = (walk.stopped ?? .zero, next.watch.stop())
        case .end: next.watch.end(.unwanted)
        case .tick: try advance(&next, by: Self.step)
        // The worker itself was stopped for an hour.
        case .sleep: try advance(&next, by: .seconds(3600))
        }
        try hold(walk.watch.cause == nil || next.watch.cause == walk.watch.cause, "the first cause stays")
        return next
    }

    private func advance(_ walk: inout Walk, by duration: Duration) throws {
        let cause = walk.watch.cause
        let action = walk.watch.advance(by: duration)
        walk.waited = walk.waited.map { $0 + Self.step }
        walk.stopped = walk.stopped.map { $0 + Self.step }
        let isLate = walk.waited.map { $0 >= Self.timeout } ?? false
        let isOver = walk.stopped.map { $0 >= CommandWatch.grace } ?? false
        switch (cause, walk.watch.cause) {
        case (nil, .timedOut): try hold(isLate, "it timed out after \(walk.waited ?? .zero)")
        case (nil, .stopped): try hold(isOver && !isLate, "it was stopped after \(walk.stopped ?? .zero)")
        case (nil, nil): try hold(!isLate && !isOver && action == .none, "it was left alone too long")
        default: break
        }
        switch action {
        case .none:
            walk.sinceTerm = walk.sinceTerm.map { $0 + Self.step }
            let isDue = walk.sinceTerm.map { $0 >= CommandWatch.patience } ?? (walk.watch.cause != nil)
            try hold(!isDue || walk.isKilled, "it was due after \(walk.sinceTerm ?? .zero)")
        case .terminate:
            try hold(walk.sinceTerm == nil && walk.watch.cause != nil, "SIGTERM once, for a cause")
            walk.sinceTerm = .zero
        case .kill:
            let since = (walk.sinceTerm ?? .zero) + Self.step
            try hold(walk.sinceTerm != nil && since >= CommandWatch.patience, "SIGKILL \(since) after SIGTERM")
            try hold(!walk.isKilled, "SIGKILL once")
            walk.isKilled = true
        }
        // What no longer matters is not told apart, so that the walk ends.
        if walk.isKilled { walk.sinceTerm = CommandWatch.patience }
    }

    @Test("SIGTERM comes first and once, then SIGKILL and once, neither before its time, and no unseen time counts")
    func walk() throws {
        var seen: Set<Walk> = []
        var frontier = [Walk(watch: CommandWatch(timeout: Self.timeout), waited: .zero)]
        var isKilled = false

        for _ in 0..<24 {
            var next: Set<Walk> = []
            for walk in frontier {
                for event in Event.allCases { next.insert(try after(event, walk)) }
            }
            frontier = next.filter { seen.insert($0).inserted }.map(\.self)
            isKilled = isKilled || frontier.contains(where: \.isKilled)
        }

        #expect(isKilled)
        #expect(seen.count > 1000)
    }

    @Test("without a limit nothing but a stop or what it did itself ends a command")
    func unlimited() {
        var watch = CommandWatch(timeout: nil)

        for _ in 0..<10_000 { #expect(watch.advance(by: .seconds(1000)) == .none) }

        #expect(watch.cause == nil)
    }
}

@Suite("Waiting for what a command holds back")
struct HoldBackProperties {
    @Test("is never shorter than is of use, nor longer than its timeout leaves, and ends for good")
    func bounds() async {
        await forSeeds(2000) { random in
            var holdBack = HoldBack()
            let longest = Duration.milliseconds(100 + random.below(60_000))
            var isOver = false
            for _ in 0..<random.below(30) {
                if random.chance(10) {
                    holdBack.answeredAll()
                    isOver = true
                } else {
                    let before = holdBack.patience
                    let took = Duration.milliseconds(random.below(2000))
                    holdBack.flushed(after: took, longest: longest)
                    // A command that answered as soon as its input ended had held its answers back.
                    let isSooner = holdBack.patience == HoldBack.shortest
                    try hold(before == nil || took >= .milliseconds(500) || isSooner, "it is asked soon")
                }
                try hold((holdBack.patience == nil) == isOver, "it stays as it was seen")
                guard let patience = holdBack.patience else { continue }
                try hold(
                    patience >= min(HoldBack.shortest, longest) && patience <= max(HoldBack.first, longest),
                    "\(patience) of at most \(longest)")
            }
        }
    }
}
