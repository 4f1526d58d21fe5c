internal import CLeatSQLite

/// The SQLite that this process uses.
package enum SQLiteLibrary {
    /// As `3.40.1`.
    package static var version: String { String(cString: sqlite3_libversion()) }

    /// Whether a checkpoint of its own may lose commits, or damage the file: see ``Checkpointer``, which keeps it from that.
    package static var hasLogResetBug: Bool { hasLogResetBug(sqlite3_libversion_number()) }

    /// It came with 3.7.0, and went with 3.51.3, 3.50.7 and 3.44.6 (https://sqlite.org/wal.html#walresetbug).
    ///
    /// - Parameter number: as SQLite gives it: 3040001 is 3.40.1.
    static func hasLogResetBug(_ number: Int32) -> Bool {
        switch number {
        case ..<3_007_000: false
        case 3_044_006..<3_045_000, 3_050_007..<3_051_000: false
        default: number < 3_051_003
        }
    }
}
