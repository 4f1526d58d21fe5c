internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// A lock that the kernel keeps: it is free again when its holder releases it or dies, however it dies.
///
/// A free lock proves that nobody lives who held it. A held one proves nothing
/// more than that: a child that its holder forked may hold it still.
///
/// It is `flock(2)` and not `fcntl(2)`: those locks are the process's and go with the first close of any descriptor of
/// the file. The file is one of its own, never the database. One that several processes contend for is never removed:
/// one of them might hold the removed file and another the new one.
package final class FileLock: Sendable {
    /// -1 once it is released.
    private let descriptor: Mutex<Int32>

    private init(descriptor: Int32) { self.descriptor = Mutex(descriptor) }

    deinit { release() }

    /// Takes the lock, or answers `nil` when another holds it.
    ///
    /// It tries for a few milliseconds: ``isHeld(path:)`` takes the lock for an instant.
    package static func tryLock(path: String) throws -> FileLock? {
        let descriptor = try open(path, creating: true)
        for attempt in 0..<5 {
            if attempt > 0 { usleep(1000) }
            if try take(descriptor, LOCK_EX | LOCK_NB, path) { return FileLock(descriptor: descriptor) }
        }
        close(descriptor)
        return nil
    }

    /// Takes the lock, and waits for it; blocks the thread. The kernel serves in the order of arrival.
    package static func lock(path: String) throws -> FileLock {
        let descriptor = try open(path, creating: true)
        _ = try take(descriptor, LOCK_EX, path)
        return FileLock(descriptor: descriptor)
    }

    /// Whether anybody, this process included, holds the lock. A file that isn't there is held by nobody.
    package static func isHeld(path: String) throws -> Bool {
        let descriptor: Int32
        do {
            descriptor = try open(path, creating: false)
        } catch let error as LeatError where error.code == .notFound {
            return false
        }
        // Shared, so that two who look at once do not see each other.
        guard try take(descriptor, LOCK_SH | LOCK_NB, path) else {
            close(descriptor)
            return true
        }
        close(descriptor)
        return false
    }

    /// Writes this process's number into the file, for messages.
    package func sign() {
        let descriptor = descriptor.withLock { $0 }
        guard descriptor >= 0 else { return }
        let text = Array("\(getpid())\n".utf8)
        // A signature that can't be written makes a message poorer, and nothing else.
        _ = ftruncate(descriptor, 0)
        _ = pwrite(descriptor, text, text.count, 0)
    }

    /// The number that the last holder signed with, if it did.
    package static func signature(path: String) -> Int32? {
        // For messages only: without it they name no process.
        guard let descriptor = try? open(path, creating: false) else { return nil }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 32)
        let count = pread(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { return nil }
        return Int32(String(decoding: buffer[..<count].prefix { $0 > 32 }, as: UTF8.self))
    }

    /// Frees the lock; a second call does nothing.
    package func release() {
        descriptor.withLock { descriptor in
            guard descriptor >= 0 else { return }
            // Not by `close` alone: a child that is just being forked has the descriptor too, until its exec.
            _ = flock(descriptor, LOCK_UN)
            close(descriptor)
            descriptor = -1
        }
    }

    /// - Returns: whether the lock was free.
    private static func take(_ descriptor: Int32, _ operation: Int32, _ path: String) throws -> Bool {
        while flock(descriptor, operation) != 0 {
            switch errno {
            case EINTR: continue
            case EWOULDBLOCK: return false
            default:
                let error = failure(path)
                close(descriptor)
                throw error
            }
        }
        return true
    }

    private static func open(_ path: String, creating: Bool) throws -> Int32 {
        // A link in the place of a lock would let two processes lock two files.
        let flags = O_CLOEXEC | O_NOFOLLOW | (creating ? O_RDWR | O_CREAT : O_RDONLY)
        while true {
            #if canImport(Darwin)
            let descriptor = Darwin.open(path, flags, 0o600)
            #elseif canImport(Glibc)
            let descriptor = Glibc.open(path, flags, 0o600)
            #elseif canImport(Musl)
            let descriptor = Musl.open(path, flags, 0o600)
            #endif
            if descriptor >= 0 { return descriptor }
            if errno != EINTR { throw failure(path) }
        }
    }

    private static func failure(_ path: String) -> LeatError {
        let message = String(cString: strerror(errno))
        return LeatError(
            errno == ENOENT ? .notFound : .storeFailed,
            "The lock \(printable(path)) can't be taken: \(message); check its folder's owner and mode."
        )
    }
}
