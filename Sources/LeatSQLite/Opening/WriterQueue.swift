internal import Leat
internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// A turn among those who want to write, taken before `BEGIN IMMEDIATE`.
///
/// Who finds SQLite's lock taken sleeps a millisecond, and the lock stands free meanwhile. This one is asked for
/// every tenth of that, at the price of one system call. It orders Leat's own writers only; against others (`sqlite3`)
/// SQLite's lock and the busy handler stand as ever, so nothing depends on it but time.
///
/// It is the kernel's (`flock(2)`): it goes with its holder, however that ends. When a holder is stopped (SIGSTOP) for
/// longer than the deadline, the others go on to SQLite's own lock, which tells them the same by an error.
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

    func enter(within deadline: Duration) {
        let pause: UInt32 = 100
        var left = deadline.nanoseconds / (Int64(pause) * 1000)
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK || errno == EINTR, left > 0 {
            usleep(pause)
            left -= 1
        }
    }

    func leave() { flock(descriptor, LOCK_UN) }
}
