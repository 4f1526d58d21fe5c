internal import CLeatSQLite
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

/// Tells the processes that wait for work in a queue that some has been committed, one of them for each ring.
///
/// It is a hint: who rings may die between the commit and the ring, and who is woken before it has claimed. So nobody
/// relies on it for longer than a second (``Queue/claim(upTo:for:waiting:)``, `WorkerSession.rest`), and what is true is
/// in the database. It is a word in a file of its own, which all map and wait on in the kernel (futex(2),
/// `os_sync_wait_on_address`): a ring wakes one waiter in whatever process, and costs nothing when nobody waits.
// @unchecked: the pointer never changes, and what it points to is only used through atomic operations.
final class Doorbell: @unchecked Sendable {
    private let bell: UnsafeMutablePointer<leat_doorbell>

    /// - Parameter path: a file of its own, never the database; one is made if there is none.
    init(path: String) throws {
        let size = Int(getpagesize())
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Self.failure(path) }
        defer { close(descriptor) }
        // With its room taken: to write into a hole of a file that is mapped would end the process on a full disk.
        guard Self.reserve(size, descriptor) else { throw Self.failure(path) }
        guard let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), memory != MAP_FAILED
        else { throw Self.failure(path) }
        bell = memory.bindMemory(to: leat_doorbell.self, capacity: 1)
    }

    deinit { munmap(bell, Int(getpagesize())) }

    private static func reserve(_ size: Int, _ descriptor: Int32) -> Bool {
        #if canImport(Darwin)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return false }
        if status.st_size >= off_t(size) { return true }
        let zeros = [UInt8](repeating: 0, count: size)
        return pwrite(descriptor, zeros, size, 0) == size
        #else
        let failure = posix_fallocate(descriptor, 0, off_t(size))
        if failure != 0 { errno = failure }
        return failure == 0
        #endif
    }

    private static func failure(_ path: String) -> LeatError {
        LeatError(.storeFailed, "The doorbell \(printable(path)) can't be opened: \(systemMessage()).")
    }

    /// How often it was rung.
    var rings: UInt32 { leat_doorbell_rings(bell) }

    func ring(all isForAll: Bool) { leat_doorbell_ring(bell, isForAll ? 1 : 0) }

    /// Whether anybody waits, as far as is known.
    var isAwaited: Bool { leat_doorbell_waiters(bell) > 0 }

    /// One is counted as waiting that is not there any more.
    func forgetWaiter() { leat_doorbell_forget_waiter(bell) }

    /// Waits on this thread until it has been rung more often than `seen`, or the time is over.
    func waitBlocking(since seen: UInt32, atMost limit: Duration) {
        _ = leat_doorbell_wait(bell, seen, UInt64(max(limit.nanoseconds, 0)))
    }

    /// Waits until it has been rung more often than `seen`, or the time is over.
    ///
    /// - Throws: `CancellationError`, when the task is cancelled while it waits. What had woken it wakes another then.
    func wait(since seen: UInt32, atMost limit: Duration) async throws {
        let visitor = Visitor()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard visitor.enter(continuation) else { return }
                // It blocks, and must take no thread from the pool that tasks run on: a serial queue brings its own.
                DispatchQueue(label: "leat.doorbell").async { [self] in
                    let nanoseconds = UInt64(max(limit.nanoseconds, 0))
                    let isWoken = leat_doorbell_wait(bell, seen, nanoseconds) != 0
                    if !visitor.leave(.success(())), isWoken { leat_doorbell_pass_on(bell) }
                }
            }
        } onCancel: {
            _ = visitor.leave(.failure(CancellationError()))
        }
    }
}

/// One task that waits: it goes on once, because the bell rang or because it was cancelled.
private final class Visitor: Sendable {
    private enum State {
        case outside
        case waiting(CheckedContinuation<Void, any Error>)
        case gone
    }

    private let state = Mutex(State.outside)

    /// - Returns: whether it is to wait; a task that was cancelled before goes on at once.
    func enter(_ continuation: CheckedContinuation<Void, any Error>) -> Bool {
        let mayWait = state.withLock { state in
            guard case .outside = state else { return false }
            state = .waiting(continuation)
            return true
        }
        if !mayWait { continuation.resume(throwing: CancellationError()) }
        return mayWait
    }

    /// - Returns: whether it was still there.
    func leave(_ result: Result<Void, any Error>) -> Bool {
        let continuation = state.withLock { state -> CheckedContinuation<Void, any Error>? in
            defer { state = .gone }
            guard case .waiting(let continuation) = state else { return nil }
            return continuation
        }
        continuation?.resume(with: result)
        return continuation != nil
    }
}
