internal import CLeatSQLite
internal import Foundation
internal import Synchronization

/// The file system of SQLite that the writer's connection goes through: the frames of a commit reach the log sixteen at a
/// time, not each in two calls, and a log that is synced is longer than its frames, so that few syncs make it longer.
enum LogFileSystem {
    private static let registering = Mutex(())
    private static let takesURIs = leat_sqlite3_takes_uris() == 1

    /// What to open, so that the connection goes through it: a URI, or the path itself where SQLite takes none
    /// (https://sqlite.org/uri.html). Only speed depends on it.
    static func name(for path: String) -> String {
        guard path != ":memory:", takesURIs else { return path }
        let fileSystem = registering.withLock { _ in leat_log_vfs().map { String(cString: $0) } }
        guard let fileSystem, let escaped = path.addingPercentEncoding(withAllowedCharacters: unescaped) else {
            return path
        }
        // Two slashes at the beginning would say that a host follows.
        return "file:\(path.hasPrefix("/") ? "//" : "")\(escaped)?vfs=\(fileSystem)"
    }

    private static let unescaped = CharacterSet(charactersIn: "/-._~")
        .union(CharacterSet(charactersIn: "a"..."z")).union(CharacterSet(charactersIn: "A"..."Z"))
        .union(CharacterSet(charactersIn: "0"..."9"))
}
