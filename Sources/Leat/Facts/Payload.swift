#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// What an item carries: text, or bytes that are not text.
///
/// A store keeps text as text, so that it reads plainly in `sqlite3`; only what
/// is not valid UTF-8 is kept as a blob.
public enum Payload: Sendable, Hashable {
    case text(String)
    case blob([UInt8])

    /// Bytes as text when they are valid UTF-8 without a NUL (which cuts text short in `sqlite3`), else as a blob.
    public init(bytes: [UInt8]) {
        if !holdsNUL(bytes), let text = String(validating: bytes, as: UTF8.self) {
            self = .text(text)
        } else {
            self = .blob(bytes)
        }
    }

    /// How many bytes an item may have. SQLite could take more; but what a worker holds of many, it holds in memory.
    public static let limit = 64 << 20

    public var count: Int {
        switch self {
        case .text(let text): text.utf8.count
        case .blob(let bytes): bytes.count
        }
    }

    public var bytes: [UInt8] {
        switch self {
        case .text(let text): Array(text.utf8)
        case .blob(let bytes): bytes
        }
    }

    /// The payload as a line for a person, safe for a terminal.
    public var preview: String {
        switch self {
        case .text(let text): printable(text.count > 200 ? text.prefix(200) + "…" : text)
        case .blob(let bytes): "\(bytes.count) bytes"
        }
    }
}

/// Whether there is a NUL among the bytes; `contains` looks at one at a time, `memchr` at many.
func holdsNUL(_ bytes: some Collection<UInt8>) -> Bool {
    bytes.withContiguousStorageIfAvailable { buffer in
        guard let start = buffer.baseAddress else { return false }
        return memchr(start, 0, buffer.count) != nil
    } ?? bytes.contains(0)
}
