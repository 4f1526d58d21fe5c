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
/// SQLite's own lock is free, and passes if it is: a quarter of a second after the first such wait began, and without
/// queueing at all for as long as that holder stays.
final class WriterQueue: Sendable {
    private let descriptor: Int32
    /// `flock` has no deadline: it waits on a thread of its own, and the writer waits for that.
    private let waiting = DispatchQueue(label: "leat.writers")
    /// Whether a wait that was given up goes on in that thread: the holder of then holds the queue still.
    private let isHeldUp = Atomic(false)

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

    /// Waits for the turn.
    ///
    /// - Parameters:
    ///   - deadline: after which the writer goes on without it.
    ///   - pass: takes what the turn is for, if nobody has it just now; whether it has.
    func enter(within deadline: Duration, orPass pass: () throws -> Bool) rethrows {
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return }
        let end = ContinuousClock.now + deadline
        guard !isHeldUp.load(ordering: .acquiring) else {
            // Another wait would only stand behind the one that was given up.
            while ContinuousClock.now < end, try !pass() { usleep(UInt32(Self.pause / .microseconds(1))) }
            return
        }
        let turn = Turn()
        // It keeps this object, and so the descriptor, for as long as it waits.
        waiting.async { [self] in
            while flock(descriptor, LOCK_EX) != 0, errno == EINTR {}
            if !turn.give() {
                leave()
                isHeldUp.store(false, ordering: .releasing)
            }
        }
        defer {
            // In this order: the thread may take it back as soon as the turn is given up.
            isHeldUp.store(true, ordering: .releasing)
            if !turn.giveUp() { isHeldUp.store(false, ordering: .releasing) }
        }
        while !turn.wait(atMost: min(Self.patience, end - .now)) {
            if try pass() || ContinuousClock.now >= end { return }
        }
    }

    func leave() { flock(descriptor, LOCK_UN) }
}

/// One writer's turn: given, or given up, whichever comes first.
private final class Turn: Sendable {
    private let isSettled = Atomic(false)
    private let signal = DispatchSemaphore(value: 0)

    /// - Returns: whether the writer still wants it.
    func give() -> Bool {
        defer { signal.signal() }
        return !isSettled.exchange(true, ordering: .acquiringAndReleasing)
    }

    /// - Returns: whether it had not been given.
    func giveUp() -> Bool { !isSettled.exchange(true, ordering: .acquiringAndReleasing) }

    /// - Returns: whether it has been given.
    func wait(atMost time: Duration) -> Bool { signal.wait(timeout: .now() + max(time, .zero).seconds) == .success }
}
