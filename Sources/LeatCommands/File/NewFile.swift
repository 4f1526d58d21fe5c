internal import Leat

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// A file that was not there before.
package enum NewFile {
    /// Writes it, for its owner to change.
    ///
    /// - Parameter mode: who may read it; what the umask takes away is taken away.
    /// - Throws: ``Leat/LeatError/Code/refused`` when something is there, or nothing can be;
    ///   ``Leat/LeatError/Code/diskFull`` when it can't be written to its end. It is not there then.
    package static func write(_ bytes: [UInt8], to path: String, mode: UInt16 = 0o644) throws {
        let shown = printable(path)
        guard !path.utf8.contains(0) else { throw LeatError(.refused, "'\(shown)' can't be a file's name.") }
        // Not even through a link: O_EXCL follows none (POSIX, open).
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(mode))
        guard descriptor >= 0 else {
            let failure = errno
            throw failure == EEXIST
                ? LeatError(.refused, "'\(shown)' is there already, and is left alone; name another file.")
                : error(failure, "'\(shown)' can't be made")
        }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { systemWrite(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let failure = errno
                unlink(path)
                throw error(failure, "'\(shown)' can't be written")
            }
            rest = rest.dropFirst(count)
        }
    }

    private static func error(_ failure: Int32, _ what: String) -> LeatError {
        let isForWantOfRoom = failure == ENOSPC || failure == EDQUOT
        return LeatError(
            isForWantOfRoom ? .diskFull : .refused,
            "\(what): \(String(cString: strerror(failure)))\(isForWantOfRoom ? "; make room, and do it again" : "").")
    }
}

private func systemWrite(_ descriptor: Int32, _ buffer: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, buffer, count)
}
