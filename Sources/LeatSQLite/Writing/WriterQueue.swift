internal import Leat
internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// A place in the queue of those who want to write, in whatever process, taken before `BEGIN IMMEDIATE`.
///
/// SQLite itself has no queue: who finds the database locked sleeps and tries again, and the lock stands free
/// meanwhile. Here the turn is a lock of the kernel's (flock(2)), and whoever ends his turn wakes the one who has waited
/// longest (``Doorbell``), which nobody who comes then goes before: `make bench PARTS=fairness`. It orders Leat's own
/// writers only; against others (`sqlite3`) SQLite's lock and the busy handler stand as ever, so nothing depends on it
/// but time.
///
/// The lock goes with its holder, however that ends. One who dies wakes nobody: so who waits tries the lock now and then
/// by himself. A holder may be stopped (SIGSTOP) between its turn and `BEGIN IMMEDIATE`, and then all would wait for one
/// who writes nothing. So who waits looks now and then whether SQLite's own lock is free, and passes if it is: a quarter
/// of a second after the first such wait began, and all the time for as long as that holder stays.
final class WriterQueue: Sendable {
    /// How a wait ended.
    enum Entry: Sendable, Hashable {
        case turn
        /// Nobody was writing, though it was not the turn yet.
        case passed
        /// The time was over.
        case late
    }

    private let descriptor: Int32
    /// Rung at the end of each turn. `nil`: there was no room for it, and everybody tries the lock now and then.
    private let bell: Doorbell?
    private let state = Mutex(State())

    private struct State {
        /// Whether the turn is this writer's.
        var isOurs = false
        /// Whether who has the turn was seen to write nothing.
        var isHeldUp = false
    }

    /// How long a turn is waited for before SQLite's own lock is tried.
    private static let patience = Duration.milliseconds(250)
    /// How long before the lock is tried without having been woken, and the place in the queue taken anew.
    private static let slice = Duration.milliseconds(100)
    /// The same where the queue is held up, or nobody can be woken.
    private static let pause = Duration.milliseconds(2)

    /// - Parameter path: a file of its own, never the database. The bell is another, beside it.
    init(path: String) throws {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw LeatError(
                .storeFailed, "The lock \(printable(path)) can't be opened: \(systemMessage()).")
        }
        bell = try? Doorbell(path: path + ".turn")
    }

    deinit { close(descriptor) }

    /// Waits for the turn. One writer at a time does; ``leave()`` ends its turn.
    ///
    /// - Parameters:
    ///   - deadline: how long at most.
    ///   - pass: takes what the turn is for, if nobody has it just now; whether it has.
    func enter(within deadline: Duration, orPass pass: () throws -> Bool) rethrows -> Entry {
        let begin = ContinuousClock.now
        let end = begin + deadline
        var passAfter = begin + Self.patience
        // When this writer's last wait began, so many turns had ended; `nil`: it has not waited yet.
        var waited: UInt32?
        while true {
            // Read first: a turn that ends from here on is noticed.
            let rings = bell?.rings ?? 0
            // Nobody goes before those who wait.
            if waited != nil || bell?.isAwaited != true, take() {
                // Nobody has ended a turn, and yet it was nobody's: who is counted as waiting may have been killed.
                if let bell, waited == rings { bell.forgetWaiter() }
                return .turn
            }
            let isHeldUp = state.withLock { $0.isHeldUp }
            if isHeldUp || ContinuousClock.now >= passAfter {
                if try pass() {
                    state.withLock { $0.isHeldUp = true }
                    return .passed
                }
                passAfter = .now + Self.patience
            }
            let left = end - .now
            guard left > .zero else { return .late }
            if let bell {
                bell.waitBlocking(since: rings, atMost: min(isHeldUp ? Self.pause : Self.slice, left))
            } else {
                usleep(UInt32(min(Self.pause, left).nanoseconds / 1000))
            }
            waited = rings
        }
    }

    private func take() -> Bool {
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { return false }
        state.withLock { ($0.isOurs, $0.isHeldUp) = (true, false) }
        return true
    }

    /// Ends the turn, if there is one: who has passed, or was late, has none.
    func leave() {
        let wasOurs = state.withLock { state in
            defer { state.isOurs = false }
            return state.isOurs
        }
        guard wasOurs else { return }
        flock(descriptor, LOCK_UN)
        bell?.ring(all: false)
    }
}
