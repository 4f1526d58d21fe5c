internal import Leat

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// A file that says what is run, read only if nobody else can have written it.
struct SafeFile {
    let bytes: [UInt8]
    /// Without symbolic links.
    let path: String
    let folder: String

    /// Reads a file by its real path.
    ///
    /// The descriptor that is read is the one whose owner and mode are looked at, so the file can't be changed for another in
    /// between.
    static func read(_ path: String, atMost limit: Int) throws -> SafeFile {
        let shown = printable(path)
        guard !path.utf8.contains(0), let real = realPath(path) else {
            throw LeatError(
                .notFound, "There is no file '\(shown)'; name a pipeline file, or write one with 'leat init \(shown)'.")
        }
        let descriptor = open(real, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else {
            throw LeatError(.refused, "'\(shown)' can't be opened: \(String(cString: strerror(errno))).")
        }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            throw LeatError(.invalidPipeline, "'\(shown)' is no file but a folder or a device; name a pipeline file.")
        }
        let folder = String(real[..<(real.lastIndex(of: "/") ?? real.startIndex)])
        var folderFacts = stat()
        guard stat(folder.isEmpty ? "/" : folder, &folderFacts) == 0 else {
            throw LeatError(
                .refused, "The folder of '\(shown)' can't be looked at: \(String(cString: strerror(errno))).")
        }
        let user = geteuid()
        if let danger = Ownership(facts).danger(to: user) { throw danger.error("file", shown, real) }
        if let danger = Ownership(folderFacts).danger(to: user) {
            throw danger.error("folder of", shown, folder.isEmpty ? "/" : folder)
        }
        let bytes = try contents(of: descriptor, shown, atMost: limit)
        return SafeFile(bytes: bytes, path: real, folder: folder.isEmpty ? "/" : folder)
    }

    private static func contents(of descriptor: Int32, _ shown: String, atMost limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = chunk.withUnsafeMutableBytes { systemRead(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw LeatError(.refused, "'\(shown)' can't be read: \(String(cString: strerror(errno))).")
            }
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= limit else {
                throw LeatError(
                    .invalidPipeline, "\(shown):1: the file is larger than \(limit >> 20) MiB, which no pipeline needs."
                )
            }
        }
    }
}

private func systemRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(descriptor, buffer, count)
}

/// Who may change a file or a folder.
struct Ownership: Sendable, Hashable {
    var owner: UInt32
    /// Permissions and the sticky bit; of a folder.
    var mode: UInt32
    var isFolder: Bool
    /// Whether only its owner is in the group, as far as names tell.
    var isGroupPrivate: Bool

    enum Danger: Sendable, Hashable {
        case stranger(UInt32)
        case writable(mode: UInt32)
    }

    /// What lets somebody else than the user, or root, change it.
    ///
    /// Nobody but its owner may rename what is in a sticky folder, such as `/tmp`.
    func danger(to user: UInt32) -> Danger? {
        if owner != user, owner != 0 { return .stranger(owner) }
        if isFolder, mode & 0o1000 != 0 { return nil }
        if mode & 0o002 != 0 || (mode & 0o020 != 0 && !isGroupPrivate) { return .writable(mode: mode & 0o7777) }
        return nil
    }
}

extension Ownership {
    init(_ facts: stat) {
        owner = facts.st_uid
        mode = UInt32(facts.st_mode) & 0o7777
        isFolder = facts.st_mode & S_IFMT == S_IFDIR
        // Many systems give each user a group of the same name or number, and let new files be written by it.
        isGroupPrivate =
            facts.st_gid == facts.st_uid || groupName(facts.st_gid).map { $0 == userName(facts.st_uid) } ?? false
    }
}

extension Ownership.Danger {
    /// - Parameters:
    ///   - noun: `file`, or `folder of`.
    ///   - place: the real path that is to be changed.
    fileprivate func error(_ noun: String, _ shown: String, _ place: String) -> LeatError {
        let what = noun == "file" ? "The file '\(shown)'" : "The folder of '\(shown)'"
        switch self {
        case .stranger(let owner):
            return LeatError(
                .unsafePlace,
                "\(what) belongs to \(userName(owner).map { "'\(printable($0))'" } ?? "user \(owner)"), who may change what is run; use a copy of your own."
            )
        case .writable(let mode):
            return LeatError(
                .unsafePlace,
                "\(what) may be written by others (mode \(String(mode, radix: 8))), who could change what is run; take that away with: chmod go-w '\(printable(place))'"
            )
        }
    }
}

private func userName(_ user: uid_t) -> String? {
    var record = passwd()
    var found: UnsafeMutablePointer<passwd>?
    var buffer = [CChar](repeating: 0, count: 16 << 10)
    guard getpwuid_r(user, &record, &buffer, buffer.count, &found) == 0, found != nil else { return nil }
    return record.pw_name.map { String(cString: $0) }
}

private func groupName(_ id: gid_t) -> String? {
    var record = group()
    var found: UnsafeMutablePointer<group>?
    var buffer = [CChar](repeating: 0, count: 64 << 10)
    guard getgrgid_r(id, &record, &buffer, buffer.count, &found) == 0, found != nil else { return nil }
    return record.gr_name.map { String(cString: $0) }
}
