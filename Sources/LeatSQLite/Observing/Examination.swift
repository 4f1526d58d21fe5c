internal import CLeatSQLite
internal import Leat

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// What can be told of a database's file and place without reading a row.
package struct Examination: Sendable, Hashable, Encodable {
    /// Of the file system, as `ext4`, or its number.
    package let fileSystem: String
    /// In bytes; `nil` when it can't be told.
    package let free: Int64?
    /// So much of that is kept for acknowledgements, in bytes.
    package let kept: Int64?
    /// How long the log is, in bytes.
    package let log: Int64
    /// The processes that read the database just now, this one left out. As long as one goes on, the log can't be used again
    /// from its beginning. `nil` where the system does not tell.
    package let readers: [Int32]?

    private enum CodingKeys: String, CodingKey {
        case fileSystem = "fileSystem"
        case free = "freeBytes"
        case kept = "keptFreeBytes"
        case log = "logBytes"
        case readers
    }
}

extension SQLiteStore {
    /// Looks at the file's place. It opens none of SQLite's files.
    package func examine() -> Examination {
        guard let file else { return Examination(fileSystem: "memory", free: nil, kept: nil, log: 0, readers: []) }
        let space = FreeSpace(of: file.path)
        return Examination(
            fileSystem: DatabaseFile.fileSystem(of: file.path), free: space?.free, kept: self.space?.kept(of: space),
            log: file.logBytes, readers: file.logIndexInode.flatMap { LogLocks.readers(ofInode: $0) })
    }
}

/// Who holds SQLite's locks on the log: those on bytes of the `-shm` (https://sqlite.org/walformat.html, "WAL Locks"), as Linux
/// lists them in `/proc/locks` (proc(5)). Where the system does not list its locks, nobody is known.
///
/// The inode alone is compared, as file systems of several devices list another device than they tell.
enum LogLocks {
    private static let writer = 120
    private static let readers = 123...127

    /// Who has the write lock just now.
    static func writer(ofInode inode: UInt64) -> Int32? {
        lines?.lazy.compactMap { holder($0, ofInode: inode, mode: "WRITE", bytes: writer...writer) }.first
    }

    /// Who has a snapshot of the log, this process left out; `nil` where it can't be told.
    static func readers(ofInode inode: UInt64) -> [Int32]? {
        guard let lines else { return nil }
        let found = lines.compactMap { holder($0, ofInode: inode, mode: "READ", bytes: readers) }
        return Set(found).subtracting([getpid()]).sorted()
    }

    /// `1: POSIX  ADVISORY  READ 4711 08:01:131 124 124`; who waits has `->` in the second place.
    static func holder(_ line: String, ofInode inode: UInt64, mode: String, bytes: ClosedRange<Int>) -> Int32? {
        let words = line.split { $0 == " " || $0 == "\n" }
        guard words.count >= 8, words[1] == "POSIX", words[3] == mode, words[5].hasSuffix(":\(inode)"),
            let first = Int(words[6]), let last = Int(words[7]), bytes.overlaps(first...max(first, last))
        else { return nil }
        return Int32(words[4])
    }

    private static var lines: [String]? {
        guard let file = fopen("/proc/locks", "re") else { return nil }
        defer { fclose(file) }
        var lines: [String] = []
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, Int32(line.count), file) != nil {
            lines.append(String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
        return lines
    }
}

extension DatabaseFile {
    /// The name of the file system that a path lies on, or its number.
    static func fileSystem(of path: String) -> String {
        #if canImport(Darwin)
        var status = statfs()
        guard statfs(path, &status) == 0 else { return "unknown" }
        return withUnsafeBytes(of: status.f_fstypename) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        #else
        return fileSystem(ofKind: leat_file_system_kind(path))
        #endif
    }

    /// The magic numbers of statfs(2).
    static func fileSystem(ofKind kind: UInt32) -> String {
        switch kind {
        case 0: "unknown"
        case 0xEF53: "ext4"
        case 0x0102_1994: "tmpfs"
        case 0x5846_5342: "xfs"
        case 0x9123_683E: "btrfs"
        case 0x2FC1_2FC1: "zfs"
        case 0xF2F5_2010: "f2fs"
        case 0xCA45_1A4E: "bcachefs"
        case 0x794C_7630: "overlayfs"
        default: networkFileSystem(ofKind: kind) ?? "0x" + String(kind, radix: 16)
        }
    }
}
