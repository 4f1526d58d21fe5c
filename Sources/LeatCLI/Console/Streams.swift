internal import Leat

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// Nobody reads standard output any more: a quiet exit.
struct ClosedOutput: Error {}

/// The three descriptors that every program expects.
enum StandardStreams {
    /// Opens those that the caller has closed, so that no other file gets their numbers and is written into. They are
    /// opened the wrong way round: who reads or writes one learns that it is not there.
    static func occupy() {
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
        where fcntl(descriptor, F_GETFD) == -1 && errno == EBADF {
            _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }
}

/// Data goes here, a line at a time and unbuffered, so that a reader has it at once.
enum StandardOutput {
    /// - Throws: ``ClosedOutput`` when the reader has gone.
    static func write(_ text: String) throws {
        try check(writeAll(text.hasSuffix("\n") ? text : text + "\n", to: STDOUT_FILENO))
    }

    /// Bytes as they are; on a terminal text is shown so that it can do nothing but be read.
    ///
    /// - Throws: ``ClosedOutput`` when the reader has gone.
    static func write(bytes: [UInt8]) throws {
        guard isatty(STDOUT_FILENO) == 1 else { return try check(writeAll(bytes, to: STDOUT_FILENO)) }
        let isLine = bytes.last == UInt8(ascii: "\n")
        try write(printable(String(decoding: isLine ? bytes.dropLast() : bytes[...], as: UTF8.self)))
    }

    /// What has been made safe already.
    static func writeRaw(_ bytes: [UInt8]) throws { try check(writeAll(bytes, to: STDOUT_FILENO)) }

    private static func check(_ failure: Int32) throws {
        switch failure {
        case 0: return
        case EPIPE: throw ClosedOutput()
        default:
            throw LeatError(
                .storeFailed, "Standard output can't be written: \(String(cString: strerror(failure))).")
        }
    }
}

/// Where data comes from.
enum StandardInput {
    /// What is there, at most 256 KiB; waits for something.
    ///
    /// - Returns: nothing at the end.
    static func read() throws -> [UInt8] {
        while true {
            var failure: Int32 = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: 256 << 10) { buffer, count in
                #if canImport(Darwin)
                let found = Darwin.read(STDIN_FILENO, buffer.baseAddress, buffer.count)
                #elseif canImport(Glibc)
                let found = Glibc.read(STDIN_FILENO, buffer.baseAddress, buffer.count)
                #else
                let found = Musl.read(STDIN_FILENO, buffer.baseAddress, buffer.count)
                #endif
                failure = found < 0 ? errno : 0
                count = max(found, 0)
            }
            switch failure {
            case 0: return bytes
            case EINTR: continue
            case EAGAIN:
                var descriptors = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
                _ = poll(&descriptors, 1, -1)
            default:
                throw LeatError(
                    .refused,
                    "Standard input can't be read: \(String(cString: strerror(failure))); was it closed? Give it a file or a pipe."
                )
            }
        }
    }
}

/// Everything that is not data goes here.
enum StandardError {
    /// What can't be said is not said: there is no other place to complain.
    static func write(_ text: String) { _ = writeAll(text.hasSuffix("\n") ? text : text + "\n", to: STDERR_FILENO) }

    /// What others have written, as it is.
    static func write(bytes: [UInt8]) { _ = writeAll(bytes, to: STDERR_FILENO) }

    /// Text as it is, without an end of line.
    static func writeRaw(_ text: String) { _ = writeAll(text, to: STDERR_FILENO) }

    /// Whether lines may be drawn over: a terminal that knows how, and a user who has not asked for plain text
    /// (https://no-color.org).
    static func mayRedraw(_ environment: (String) -> String? = environmentValue) -> Bool {
        guard isatty(STDERR_FILENO) == 1, environment("TERM") != "dumb" else { return false }
        return (environment("NO_COLOR") ?? "").isEmpty
    }

    /// Of the terminal, in characters.
    static var width: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }
}

func environmentValue(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

/// - Returns: 0, or the error's number.
private func writeAll(_ text: String, to descriptor: Int32) -> Int32 { writeAll(Array(text.utf8), to: descriptor) }

private func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count >= 0 {
            rest = rest.dropFirst(count)
            continue
        }
        switch errno {
        case EINTR: continue
        case EAGAIN:
            // Somebody made the terminal's description non-blocking: wait until it takes more.
            var descriptors = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            _ = poll(&descriptors, 1, -1)
        default: return errno
        }
    }
    return 0
}
