internal import CLeatSQLite
internal import GRDB
internal import Leat

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// An error of SQLite, as it came.
struct SQLFailure: Error, CustomStringConvertible {
    /// The extended code.
    let code: Int32
    let message: String
    /// What the system call that failed said; 0 when it was none, or is not known.
    let systemError: Int32

    init(_ connection: OpaquePointer) {
        code = sqlite3_extended_errcode(connection)
        message = String(cString: sqlite3_errmsg(connection))
        systemError = sqlite3_system_errno(connection)
    }

    /// One that came through GRDB. Of the statement only its beginning is told, which is enough to find it.
    init(_ error: DatabaseError, systemError: Int32 = 0) {
        code = error.extendedResultCode.rawValue
        let line = error.sql?.split(separator: "\n").first.map(String.init)
        let statement = line.map { $0.count > 80 ? "\($0.prefix(80))…" : $0 }
        message = (error.message ?? "no message") + (statement.map { ", at '\($0)'" } ?? "")
        self.systemError = systemError
    }

    init(code: Int32, message: String, systemError: Int32 = 0) {
        self.code = code
        self.message = message
        self.systemError = systemError
    }

    var primaryCode: Int32 { code & 0xFF }
    var description: String { "SQLite error \(code): \(message)" }

    /// What is to be done about it (https://sqlite.org/rescode.html).
    enum Kind: Sendable, Hashable {
        /// The lock was another's up to the deadline.
        case busy
        /// No room: it passes when there is some.
        case full
        /// The step is refused as a whole.
        case refused
        /// What the path names begins like no database.
        case noDatabase
        /// The file is damaged, or the disk did not keep what it was given: nothing more may be written.
        case damaged
        case closed
        case other
    }

    var kind: Kind {
        switch primaryCode {
        // SQLite gives up on a lock of its log after ten seconds of its own, whatever the busy handler says.
        case SQLITE_BUSY, SQLITE_PROTOCOL: .busy
        case SQLITE_FULL: .full
        case SQLITE_CONSTRAINT, SQLITE_TOOBIG, SQLITE_MISMATCH: .refused
        case SQLITE_NOTADB: .noDatabase
        case SQLITE_CORRUPT: .damaged
        case SQLITE_IOERR where Self.isLoss(code): .damaged
        // Where pages should be is the file's end: it, or its log, was cut.
        case SQLITE_IOERR where isCutShort && !isForWantOfRoom: .damaged
        // SQLite does not keep the number of the call that failed to lengthen the `-shm`; it fails for want of room.
        case SQLITE_IOERR where code >> 8 == 19: .full
        case SQLITE_IOERR where isForWantOfRoom, SQLITE_CANTOPEN where isForWantOfRoom: .full
        case SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_AUTH: .closed
        default: .other
        }
    }

    /// IOERR_SHORT_READ.
    var isCutShort: Bool { code == SQLITE_IOERR | 2 << 8 }

    private var isForWantOfRoom: Bool { systemError == ENOSPC || systemError == EDQUOT }

    /// IOERR_FSYNC, IOERR_DIR_FSYNC, IOERR_DATA and IOERR_CORRUPTFS, whatever the system's number.
    private static func isLoss(_ code: Int32) -> Bool { [4, 5, 32, 33].contains(code >> 8) }
}

/// SQLite's errors as Leat's: what was attempted is known to the caller, what to try is said here.
///
/// - Parameters:
///   - holder: the process that holds the write lock, if that is known.
///   - connection: where it happened, which knows what the system said.
///   - isOpening: whether it is not known yet that the file is a database of ours.
func leatError(
    _ error: any Error, path: String, holder: Int32? = nil, on connection: OpaquePointer? = nil,
    isOpening: Bool = false
) -> any Error {
    let failure: SQLFailure
    switch error {
    case let error as SQLFailure: failure = error
    case let error as DatabaseError:
        failure = SQLFailure(error, systemError: connection.map { sqlite3_system_errno($0) } ?? 0)
    default: return error
    }
    let name = printable(path)
    return switch failure.kind {
    case .busy:
        LeatError(
            .busy,
            "'\(name)' stayed locked up to the deadline\(holder.map { " by process \($0)" } ?? ""); end the program that holds a transaction open on it.",
            cause: failure)
    case .full:
        LeatError(
            .diskFull, "No space is left for '\(name)'; nothing acknowledged is lost: free some and go on.",
            cause: failure)
    case .refused:
        LeatError(
            .stepRefused, "'\(name)' refused what the step wrote, so all of the step was undone.", cause: failure)
    case .noDatabase where isOpening:
        LeatError(.foreignFile, "'\(name)' is not an SQLite database; give another path.")
    case .noDatabase,
        .damaged where failure.primaryCode == SQLITE_CORRUPT || failure.isCutShort:
        LeatError(
            .damaged,
            "'\(name)' is damaged, and nothing more is written to it; keep the file with its -wal as it is, and restore a copy.",
            cause: failure)
    case .damaged:
        LeatError(
            .damaged,
            "The disk did not keep what was written to '\(name)', so nothing more is; look after the disk, keep the file with its -wal, and check it by 'leat verify' before you go on.",
            cause: failure)
    case .closed:
        LeatError(
            .storeFailed,
            "'\(name)' can't be opened for writing, which SQLite's log needs even to look at it; check its owner and mode, or copy it together with its -wal.",
            cause: failure)
    case .other: LeatError(.storeFailed, "'\(name)': a transaction failed.", cause: failure)
    }
}
