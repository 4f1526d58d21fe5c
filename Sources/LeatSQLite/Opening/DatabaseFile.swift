internal import CLeatSQLite
internal import Leat

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// The database's place, looked at before SQLite opens it, and the folder of Leat's own files beside it.
///
/// The process never opens the database, its `-wal` or its `-shm` itself: POSIX locks are the process's, and the close
/// of any descriptor drops them (https://sqlite.org/howtocorrupt.html, 2.2). Locks are files of their own.
struct DatabaseFile: Sendable {
    /// The real path: without a symbolic link, so that no second name leads to other locks.
    let path: String
    /// Device and inode, to notice that the file was replaced.
    private let identity: Identity
    /// Of the log, once it is known to be there.
    private var logIdentity: Identity?

    private struct Identity: Sendable, Hashable {
        let device: UInt64
        let inode: UInt64
    }

    /// Leat's own files: locks, and the logs of workers.
    var folder: String { path + "-leat" }
    var runLock: String { folder + "/run" }
    var migrateLock: String { folder + "/migrate" }
    var checkpointLock: String { folder + "/checkpoint" }
    var writerLock: String { folder + "/writer" }
    /// - Returns: `nil` for what has no doorbell.
    func doorbell(_ what: Awaited) -> String? {
        switch what {
        case .anything: nil
        case .work(let queue): folder + "/bells/\(queue)"
        case .room(let queue): folder + "/bells/\(queue).room"
        }
    }
    /// The run is part of the name: a file that was deleted and made anew counts its workers from 1 again.
    func workerLock(_ worker: WorkerID, of run: String) -> String { folder + "/workers/\(run)-\(worker)" }

    /// Checks a path and makes what is missing.
    ///
    /// - Parameter creating: whether a database that isn't there is made (mode 0600).
    init(_ given: String, creating: Bool) throws {
        path = try Self.realPath(given)
        try Self.refuseNetworkFileSystem(path)
        try Self.refuseLogAlone(path, given)
        var status = stat()
        if lstat(path, &status) != 0 {
            guard creating else {
                throw LeatError(
                    .notFound,
                    "There is no database at \(printable(given)); check the path: 'leat put' makes one, and a pipeline's program does."
                )
            }
            // A new file has no locks to lose yet. O_EXCL: if another process was faster, the file is there.
            let descriptor = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
            let why = systemMessage()
            if descriptor >= 0 { close(descriptor) }
            guard lstat(path, &status) == 0 else {
                throw LeatError(.unsafePlace, "The database \(printable(given)) can't be made: \(why).")
            }
        }
        try Self.check(status, given)
        identity = Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    /// Makes the folder of our own files, once it is known that the database is ours.
    func makeFolder() throws {
        for place in [folder, folder + "/workers", folder + "/logs", folder + "/bells"] {
            guard mkdir(place, 0o700) == 0 || errno == EEXIST else {
                throw LeatError(
                    .storeFailed, "The folder \(printable(place)) can't be made: \(systemMessage()).")
            }
        }
    }

    /// Remembers the log that stands beside the database.
    mutating func noteLog() { logIdentity = Self.identity(of: path + "-wal") }

    /// How long the log is, in bytes; 0 when there is none.
    var logBytes: Int64 {
        var status = stat()
        return lstat(path + "-wal", &status) == 0 ? Int64(status.st_size) : 0
    }

    /// The inode of the file in which SQLite's locks on the log are.
    var logIndexInode: UInt64? { Self.identity(of: path + "-shm")?.inode }

    /// The process that is writing just now, for messages; `nil` where the system does not tell.
    var writerProcess: Int32? { logIndexInode.flatMap { LogLocks.writer(ofInode: $0) } }

    /// Whether the path, or that of the log, names another file than the one that was opened, or none.
    ///
    /// What is committed to a log without a name is seen by those alone that have it open, and lost with them. SQLite
    /// itself removes a log only when nobody has the database open.
    var isReplaced: Bool {
        if Self.identity(of: path) != identity { return true }
        return logIdentity.map { Self.identity(of: path + "-wal") != $0 } ?? false
    }

    private static func identity(of path: String) -> Identity? {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        return Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    private static func realPath(_ given: String) throws -> String {
        let cut = given.lastIndex(of: "/")
        let folder = cut.map { $0 == given.startIndex ? "/" : String(given[..<$0]) } ?? "."
        let name = cut.map { String(given[given.index(after: $0)...]) } ?? given
        guard !name.isEmpty, name != ".", name != ".." else {
            throw LeatError(.unsafePlace, "'\(printable(given))' names no file.")
        }
        guard let real = realpath(folder, nil) else {
            throw LeatError(
                .notFound, "The folder of '\(printable(given))' can't be reached: \(systemMessage()).")
        }
        defer { free(real) }
        let base = String(cString: real)
        return (base == "/" ? "" : base) + "/" + name
    }

    /// A log beside a database that is missing or empty: SQLite would begin it anew, and what was in it would be gone.
    private static func refuseLogAlone(_ path: String, _ given: String) throws {
        func size(_ path: String) -> Int64 {
            var status = stat()
            return lstat(path, &status) == 0 ? Int64(status.st_size) : 0
        }
        // In this order: who makes a database beside us writes it before its log.
        let log = size(path + "-wal")
        guard log > 0, size(path) == 0 else { return }
        throw LeatError(
            .unsafePlace,
            "The database \(printable(given)) is missing or empty, but its log '\(printable(given))-wal' of \(log) bytes is there, and opening it would lose what that holds; put the database back beside it, or move the log away too."
        )
    }

    private static func check(_ status: stat, _ given: String) throws {
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFLNK:
            throw LeatError(
                .unsafePlace,
                "'\(printable(given))' is a symbolic link, and a database reached by two names has two sets of locks; give the real path."
            )
        default:
            throw LeatError(.unsafePlace, "'\(printable(given))' is not a regular file.")
        }
        guard status.st_nlink <= 1 else {
            throw LeatError(
                .unsafePlace,
                "'\(printable(given))' has \(status.st_nlink) names (hard links), and each would have its own locks; keep one."
            )
        }
    }

    private static func refuseNetworkFileSystem(_ path: String) throws {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "/"
        if let name = networkFileSystem(of: folder.isEmpty ? "/" : folder) {
            throw LeatError(
                .unsafePlace,
                "'\(printable(path))' lies on \(name), where SQLite's write-ahead log is not safe; put the database on a local disk."
            )
        }
    }

    /// The kinds that do not keep SQLite's promises about locks and shared memory.
    private static func networkFileSystem(of folder: String) -> String? {
        #if canImport(Darwin)
        var status = statfs()
        guard statfs(folder, &status) == 0 else { return nil }
        let name = withUnsafeBytes(of: status.f_fstypename) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        return ["nfs", "smbfs", "afpfs", "webdav", "macfuse", "osxfuse"].contains(name) ? name : nil
        #else
        return networkFileSystem(ofKind: leat_file_system_kind(folder))
        #endif
    }

    /// The magic numbers of statfs(2).
    static func networkFileSystem(ofKind kind: UInt32) -> String? {
        switch kind {
        case 0x6969: "NFS"
        case 0x517B, 0xFF53_4D42, 0xFE53_4D42: "SMB"
        case 0x0102_1997: "9p"
        case 0x6573_5546: "FUSE or virtiofs"
        case 0x00C3_6400: "Ceph"
        case 0x5346_414F, 0x6B41_4653: "AFS"
        case 0x7375_7245: "Coda"
        case 0x0BD0_0BD0: "Lustre"
        case 0x4750_4653: "GPFS"
        case 0x786F_4256: "a VirtualBox shared folder"
        default: nil
        }
    }
}

/// What the last system call said, in words.
func systemMessage() -> String { String(cString: strerror(errno)) }
