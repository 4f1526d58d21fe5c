internal import CLeatSQLite
internal import GRDB
internal import Leat

/// A value bound to a statement.
enum SQLValue {
    case int(Int64)
    case text(String)
    case payload(Payload)
    case null

    static func int(_ value: Int) -> SQLValue { .int(Int64(value)) }
    static func id(_ value: some StoreIdentifier) -> SQLValue { .int(value.rawValue) }
    /// Who holds a lease: nobody has the number 0.
    static func holder(_ worker: WorkerID?) -> SQLValue { .int(worker?.rawValue ?? 0) }
    static func optional(_ value: Int64?) -> SQLValue { value.map { .int($0) } ?? .null }
    static func optional(_ value: String?) -> SQLValue { value.map { .text($0) } ?? .null }
}

/// The row that a statement stands on. It is gone with the next step: read what you need at once.
struct SQLRow {
    let statement: OpaquePointer

    /// A number, or the nearest that sums and differences of two can't overflow with: anybody may have written any, and that
    /// must not end the process. No number, count or time of Leat's own comes near.
    func int(_ column: Int32) -> Int64 { min(max(sqlite3_column_int64(statement, column), -Self.most), Self.most) }
    private static let most: Int64 = 1 << 61
    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }
    func optionalInt(_ column: Int32) -> Int64? { isNull(column) ? nil : int(column) }
    func text(_ column: Int32) -> String {
        guard let start = sqlite3_column_text(statement, column) else { return "" }
        let count = Int(sqlite3_column_bytes(statement, column))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }
    func optionalText(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }
    func payload(_ column: Int32) -> Payload {
        guard sqlite3_column_type(statement, column) == SQLITE_BLOB else { return .text(text(column)) }
        let count = Int(sqlite3_column_bytes(statement, column))
        guard count > 0, let start = sqlite3_column_blob(statement, column) else { return .blob([]) }
        return .blob(Array(UnsafeRawBufferPointer(start: start, count: count)))
    }
}

/// A prepared statement of the hot path, bound by position.
///
/// It goes past GRDB's `Statement`, whose arguments cost as much again as the insertion of a row. It is reset after
/// every use, since a statement that is left standing pins the log.
struct Statement {
    let handle: OpaquePointer
    let connection: OpaquePointer

    /// Runs it to its end and throws away its rows.
    func run(_ values: SQLValue...) throws {
        defer { reset() }
        bind(values)
        while try step() {}
    }

    /// The first row, as `body` reads it.
    func first<T>(_ values: SQLValue..., body: (SQLRow) throws -> T) throws -> T? {
        defer { reset() }
        bind(values)
        return try step() ? body(SQLRow(statement: handle)) : nil
    }

    /// Every row in turn.
    func each(_ values: SQLValue..., body: (SQLRow) throws -> Void) throws {
        defer { reset() }
        bind(values)
        while try step() { try body(SQLRow(statement: handle)) }
    }

    /// Runs it with a payload that SQLite reads where it lies: it is only bound while it stands there.
    func run(payload: Payload, at index: Int32) throws {
        defer {
            reset()
            sqlite3_bind_null(handle, index)
        }
        switch payload {
        case .text(var text):
            try text.withUTF8 { buffer in
                // An empty buffer may have no address, which would bind NULL.
                guard let start = buffer.baseAddress, !buffer.isEmpty else {
                    bind(text: "", at: index)
                    return _ = try step()
                }
                try start.withMemoryRebound(to: CChar.self, capacity: buffer.count) { characters in
                    sqlite3_bind_text(handle, index, characters, Int32(buffer.count), nil)
                    _ = try step()
                }
            }
        case .blob:
            bind(.payload(payload), at: index)
            _ = try step()
        }
    }

    /// Runs it with payloads at every second parameter from `first` on. They are copied into `scratch`, one after the other,
    /// and only bound while it stands there.
    ///
    /// - Returns: `false`, with nothing done, when there is no room for them.
    func run(payloads: some Sequence<Payload>, from first: Int32, in scratch: Scratch) throws -> Bool {
        scratch.clear()
        var index = first
        defer {
            reset()
            for parameter in stride(from: first, to: index, by: 2) { sqlite3_bind_null(handle, parameter) }
        }
        for payload in payloads {
            switch payload {
            case .text(var text):
                guard let bytes = text.withUTF8({ scratch.add(UnsafeRawBufferPointer($0)) }) else { return false }
                bytes.withMemoryRebound(to: CChar.self) {
                    _ = sqlite3_bind_text(handle, index, $0.baseAddress, Int32($0.count), nil)
                }
            case .blob(let bytes):
                guard let bytes = bytes.withUnsafeBytes(scratch.add) else { return false }
                sqlite3_bind_blob(handle, index, bytes.baseAddress, Int32(bytes.count), nil)
            }
            index += 2
        }
        while try step() {}
        return true
    }

    func bind(_ values: [SQLValue]) {
        for (offset, value) in values.enumerated() { bind(value, at: Int32(offset + 1)) }
    }

    func bind(_ value: SQLValue, at index: Int32) {
        switch value {
        case .int(let value): sqlite3_bind_int64(handle, index, value)
        case .text(let text): bind(text: text, at: index)
        case .payload(.text(let text)): bind(text: text, at: index)
        case .payload(.blob(let bytes)):
            _ = bytes.withUnsafeBytes { buffer in
                leat_sqlite3_bind_blob(handle, index, buffer.baseAddress, Int32(buffer.count))
            }
        case .null: sqlite3_bind_null(handle, index)
        }
    }

    private func bind(text: String, at index: Int32) {
        var text = text
        _ = text.withUTF8 { buffer in
            buffer.withMemoryRebound(to: CChar.self) { characters in
                // An empty buffer may have no address, which would bind NULL.
                if let start = characters.baseAddress {
                    leat_sqlite3_bind_text(handle, index, start, Int32(characters.count))
                } else {
                    leat_sqlite3_bind_text(handle, index, "", 0)
                }
            }
        }
    }

    /// Whether there is a row.
    func step() throws -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default: throw SQLFailure(connection)
        }
    }

    func reset() { sqlite3_reset(handle) }
}

/// A stretch of memory for what several parameters of a statement are bound to.
final class Scratch {
    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 1)
    private var used = 0

    deinit { memory.deallocate() }

    func clear() { used = 0 }

    /// Copies bytes in; they stay where they are up to the next ``clear()``.
    ///
    /// - Returns: `nil` when there is no room.
    func add(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        // Also where there are none, so that they have an address: without one SQLite binds NULL.
        guard bytes.count < memory.count - used else { return nil }
        let place = UnsafeMutableRawBufferPointer(rebasing: memory[used..<used + bytes.count])
        place.copyMemory(from: bytes)
        used += bytes.count
        return UnsafeRawBufferPointer(start: memory.baseAddress.map { $0 + (used - bytes.count) }, count: bytes.count)
    }
}
