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
/// meanwhile. `flock(2)` wakes the next one at once. It orders Leat's own writers only; against others (`sqlite3`)
/// SQLite's lock and the busy handler stand as ever, so nothing depends on it but time.
///
/// It is the kernel's: it goes with its holder, however that ends. A holder that is stopped (SIGSTOP) holds up the
/// others, as it does by SQLite's lock.
final class WriterQueue: Sendable {
    private let descriptor: Int32

    /// - Parameter path: a file of its own, never the database.
    init(path: String) throws {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw LeatError(
                .storeFailed, "The lock \(printable(path)) can't be opened: \(systemMessage()).")
        }
    }

    deinit { close(descriptor) }

    func enter() {
        // Interrupted by a signal: it waits again. Any other error leaves SQLite's own lock.
        while flock(descriptor, LOCK_EX) != 0, errno == EINTR {}
    }

    func leave() { flock(descriptor, LOCK_UN) }
}
