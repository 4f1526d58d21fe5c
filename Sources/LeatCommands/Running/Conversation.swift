internal import Leat
internal import LeatProcess
internal import Synchronization

/// How one call of a long-lived command stands: shared by the task that gives it items and the one that reads its answers.
final class Conversation: Sendable {
    private struct State {
        var inFlight = 0
        /// The command's output has come to its end.
        var isOver = false
        /// Its input has been closed.
        var closedAt: ContinuousClock.Instant?
        var lastSign = ContinuousClock.now
        var hasAnswered = false
        var size: BatchSize
        var measuredFrom = ContinuousClock.now

        /// It has items, and has said nothing for a tenth of a second.
        var isSilent: Bool { inFlight > 0 && lastSign.duration(to: .now) >= .milliseconds(100) }
    }

    private let window: Int
    private let state: Mutex<State>
    private let alarm = Alarm()

    /// - Parameter window: how many items it may have without an answer.
    init(window: Int) {
        self.window = window
        state = Mutex(State(size: BatchSize(most: max(window / 2, 1))))
    }

    /// How many items it is to be given next: as many as it works on in about a tenth of a second, so that one who is slow
    /// does not keep them from others. Who has said nothing for a while may be waiting for more.
    var share: Int {
        state.withLock { state in
            let room = max(window - state.inFlight, 1)
            return state.isSilent ? room : min(room, state.size.current)
        }
    }
    var isOver: Bool { state.withLock { $0.isOver } }
    var isClosed: Bool { sinceClosing != nil }
    /// How long ago its input was closed.
    var sinceClosing: Duration? { state.withLock { $0.closedAt?.duration(to: .now) } }
    var hasAnswered: Bool { state.withLock { $0.hasAnswered } }
    var inFlight: Int { state.withLock { $0.inFlight } }

    /// - Parameter begin: called, while nothing else changes, if it had nothing before.
    func gave(_ count: Int, _ begin: () -> Void) {
        state.withLock { state in
            if state.inFlight == 0, count > 0 {
                (state.lastSign, state.measuredFrom) = (.now, .now)
                begin()
            }
            state.inFlight += count
        }
    }

    func answered(_ count: Int) {
        wake { state in
            let now = ContinuousClock.now
            state.inFlight -= count
            state.hasAnswered = true
            state.size.worked(count, in: state.measuredFrom.duration(to: now))
            (state.lastSign, state.measuredFrom) = (now, now)
        }
    }

    func showedProgress() { state.withLock { $0.lastSign = .now } }
    func closed() { state.withLock { $0.closedAt = .now } }
    func over() { wake { $0.isOver = true } }

    /// Whether something is in flight and nothing has come for so long.
    func isQuiet(for duration: Duration) -> Bool {
        state.withLock { $0.inFlight > 0 && $0.lastSign.duration(to: .now) >= duration }
    }

    /// Waits for a sign of the command while it has as many items as it is to have, at most for a while.
    func waitForRoom() async { await alarm.sleep(atMost: .milliseconds(inFlight < window ? 100 : 1000)) }

    /// Tells how it stands, while that does not change.
    func whileLocked(_ body: (_ inFlight: Int, _ isClosed: Bool) -> Void) {
        state.withLock { body($0.inFlight, $0.closedAt != nil) }
    }

    /// Whether it may be given more.
    var hasRoom: Bool {
        state.withLock { state in
            state.inFlight < window && (state.inFlight <= state.size.current || state.isSilent)
        }
    }

    private func wake(_ change: (inout State) -> Void) {
        state.withLock { change(&$0) }
        alarm.wake()
    }
}
