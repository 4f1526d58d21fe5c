#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Whom letters are given to: here a file, a line a letter, as whoever receives them would see them.
struct PostOffice: Sendable {
    let path: String

    struct Closed: Error {}

    func send(_ letter: Letter, key: String) async throws {
        let line = Array("\(key) \(letter.order)\n".utf8)
        let file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Closed() }
        defer { close(file) }
        guard write(file, line, line.count) == line.count else { throw Closed() }
    }
}
