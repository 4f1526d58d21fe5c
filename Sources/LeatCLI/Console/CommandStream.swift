internal import Leat
internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// What a command writes, on its way to a stream of this process: byte for byte, but safe on a terminal.
final class CommandStream: Sendable {
    private let isTerminal: Bool
    private let write: @Sendable ([UInt8]) throws -> Void
    private let rest = Mutex<[UInt8]>([])

    init(_ descriptor: Int32, write: @escaping @Sendable ([UInt8]) throws -> Void) {
        isTerminal = isatty(descriptor) == 1
        self.write = write
    }

    func add(_ bytes: [UInt8]) throws {
        guard isTerminal else { return try write(bytes) }
        let lines = rest.withLock { rest in
            rest += bytes
            guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { return [UInt8]() }
            defer { rest.removeSubrange(...end) }
            return Array(rest[...end])
        }
        try write(Self.escaped(lines))
    }

    /// There is no other place to complain that standard error is closed.
    func addQuietly(_ bytes: [UInt8]) {
        do { try add(bytes) } catch {}
    }

    /// A last line without an end gets one.
    func finish() throws {
        let last = rest.withLock { rest in
            defer { rest = [] }
            return rest
        }
        if !last.isEmpty { try write(Self.escaped(last + [UInt8(ascii: "\n")])) }
    }

    private static func escaped(_ lines: [UInt8]) -> [UInt8] {
        let text = String(decoding: lines, as: UTF8.self)
        return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            // A tab is harmless, and columns need it.
            line.split(separator: "\t", omittingEmptySubsequences: false).map { printable(String($0)) }.joined(
                separator: "\t")
        }.joined(separator: "\n").utf8.map { $0 }
    }
}
