internal import Dispatch
internal import Leat
internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// A place in the kernel's queue of those who want to write, taken before `BEGIN IMMEDIATE`.
///
/// SQLite itself has no queue: who finds the database locked sleeps and tries again, and the lock stands free
/// meanwhile. `flock(2)` wakes the next one at once: three stages moved 53,000 items a second with it, 37,000 by
/// sleeping 0.1 ms and trying again (`Tests/Benchmarks/throughput.sh`). It orders Leat's own writers only; against
/// others (`sqlite3`) SQLite's lock and the busy handler stand as ever, so nothing depends on it but time.
///
/// It is the kernel's: it goes with its holder, however that ends. A holder may be stopped (SIGSTOP) between its turn and
/// `BEGIN IMMEDIATE`, and then all would wait for one who writes nothing. So who waits looks now and then whether
/// SQLite's own lock is free, and passes if it is: a quarter of a second after the first such wait began, and all the time
/// for as long as that holder stays.
///
/// Who gives up keeps his place for the next time that he wants to write: after a transaction that outlasts everybody's
/// deadline those who try again would else stand behind all the others, or try SQLite's lock in vain while it goes from
/// hand to hand, and their leases would end.
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
    /// `flock` has no deadline: it waits on a thread of its own, and the writer waits for that.
    private let waiting = DispatchQueue(label: "leat.writers")
    private let state = Mutex(State())

    private struct State {
        /// Whether that thread waits, for a writer or for one that has given up.
        var isWaiting = false
        /// Whether the turn is this writer's.
        var isOurs = false
        /// Whether who has the turn was seen to write nothing.
        var isHeldUp = false
        var writer: Turn?
    }

    /// How long a turn is waited for before SQLite's own lock is tried.
    private static let patience = Duration.milliseconds(250)
    /// The same for as long as the queue is held up.
    private static let pause = Duration.milliseconds(2)

    /// - Parameter path: a file of its own, never the database.
    init(path: String) throws {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw LeatError(
                .storeFailed, "The lock \(printable(path)) can't be opened: \(systemMessage()).")
        }
    }

    deinit { close(descriptor) }

    /// Takes the turn, if it is nobody's; ``leave()`` ends it.
    func tryEnter() -> Bool {
        state.withLock { state in
            guard !state.isWaiting, flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { return false }
            state.isOurs = true
            return true
        }
    }

    /// Waits for the turn. One writer at a time does; ``leave()`` ends its turn.
    ///
    /// - Parameters:
    ///   - deadline: how long at most.
    ///   - pass: takes what the turn is for, if nobody has it just now; whether it has.
    func enter(within deadline: Duration, orPass pass: () throws -> Bool) rethrows -> Entry {
        if tryEnter() { return .turn }
        let end = ContinuousClock.now + deadline
        let turn = Turn()
        let (place, isHeldUp) = state.withLock { state -> (Place, Bool) in
            defer { state.isWaiting = true }
            state.writer = turn
            return (state.isWaiting ? .kept : .last, state.isHeldUp)
        }
        switch place {
        case .kept: break
        // It keeps this object, and so the descriptor, for as long as it waits.
        case .last: waiting.async { [self] in waitForTurn() }
        }
        if isHeldUp, try passing(pass) { return .passed }
        while !turn.wait(atMost: min(isHeldUp ? Self.pause : Self.patience, end - .now)) {
            if try passing(pass) { return .passed }
            if ContinuousClock.now >= end { return giveUp() ? .late : .turn }
        }
        return .turn
    }

    private enum Place { case kept, last }

    /// Should the turn have come meanwhile, it is there as well, and ends with the other.
    private func passing(_ pass: () throws -> Bool) rethrows -> Bool {
        do {
            guard try pass() else { return false }
        } catch {
            _ = giveUp()
            throw error
        }
        state.withLock { state in
            state.isHeldUp = state.writer != nil
            state.writer = nil
        }
        return true
    }

    private func waitForTurn() {
        while flock(descriptor, LOCK_EX) != 0, errno == EINTR {}
        state.withLock { state in
            state.isWaiting = false
            state.isHeldUp = false
            if let writer = state.writer.take() {
                state.isOurs = true
                writer.give()
            } else {
                flock(descriptor, LOCK_UN)
            }
        }
    }

    /// - Returns: whether the turn had not come.
    private func giveUp() -> Bool { state.withLock { $0.writer.take() != nil } }

    /// Ends the turn, if there is one: who has passed, or was late, has none.
    func leave() {
        state.withLock { state in
            guard state.isOurs else { return }
            state.isOurs = false
            flock(descriptor, LOCK_UN)
        }
    }
}

/// One writer's turn, which is given by another thread.
private final class Turn: Sendable {
    private let signal = DispatchSemaphore(value: 0)

    func give() { signal.signal() }

    /// - Returns: whether it has been given.
    func wait(atMost time: Duration) -> Bool { signal.wait(timeout: .now() + max(time, .zero).seconds) == .success }
}
