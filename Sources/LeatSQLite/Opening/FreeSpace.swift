internal import Leat
internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// How much a file system has left, in bytes.
struct FreeSpace: Sendable, Hashable {
    let free: Int64
    let total: Int64

    init(free: Int64, total: Int64) {
        self.free = free
        self.total = total
    }

    /// Of the file system that a file lies on; `nil` when it can't be told.
    ///
    /// statvfs(3) opens nothing, so SQLite's locks stay. What is kept for root is not counted.
    init?(of path: String) {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        let unit = status.f_frsize > 0 ? UInt64(status.f_frsize) : UInt64(status.f_bsize)
        free = Self.bytes(UInt64(status.f_bavail), of: unit)
        total = Self.bytes(UInt64(status.f_blocks), of: unit)
    }

    private static func bytes(_ count: UInt64, of unit: UInt64) -> Int64 {
        let (product, isOver) = count.multipliedReportingOverflow(by: unit)
        return isOver ? .max : Int64(clamping: product)
    }

    /// What is kept free where nobody has said how much: 64 MiB, or an eighth of a file system that is small.
    var usualReserve: Int64 { min(64 << 20, total / 8) }
}

/// Watches the room on the database's file system, so that no new work is begun on the last of it.
///
/// Once the log has filled the disk, even an acknowledgement fails. What is kept free is for the acknowledgements of
/// what has been begun: they find room when claims, and the items of producers, wait.
final class SpaceGuard: Sendable {
    /// In bytes; `nil`: what is usual. 0 begins work on the last byte.
    private let reserve: Int64?
    private let name: String
    private let look: @Sendable () -> FreeSpace?
    /// How long SQLite's log is, in bytes: what it holds may be new, and then takes as much again when it is copied.
    private let log: @Sendable () -> Int64
    private let state = Mutex(State())

    private struct State {
        var nextLook = Int64.min
        var shortage: LeatError?
    }

    /// Between two looks: claims come by the thousand, and no disk takes so much more in a second than ``ample``.
    private static let interval = Duration.seconds(1)
    /// Where less is left a second is long: what a producer puts in it is more than what is kept of a small disk.
    private static let ample: Int64 = 4 << 30

    init(
        reserve: Int64?, name: String, look: @escaping @Sendable () -> FreeSpace?,
        log: @escaping @Sendable () -> Int64 = { 0 }
    ) {
        self.reserve = reserve
        self.name = name
        self.look = look
        self.log = log
    }

    /// Why no new work is to be begun, if so. One `statvfs` a second where there is ample room, else one each time.
    ///
    /// - Parameter instant: of the store's clock, in nanoseconds.
    func shortage(at instant: Int64) -> LeatError? {
        guard reserve != 0 else { return nil }
        return state.withLock { state in
            guard instant >= state.nextLook else { return state.shortage }
            let space = look()
            let isAmple = space.map { $0.free > Self.ample } ?? true
            state.nextLook = isAmple ? instant + Self.interval.nanoseconds : .min
            state.shortage = space.flatMap(shortage(of:))
            return state.shortage
        }
    }

    /// How much of a file system is kept free, in bytes.
    func kept(of space: FreeSpace?) -> Int64? { reserve ?? space?.usualReserve }

    private func shortage(of space: FreeSpace) -> LeatError? {
        let log = log()
        guard let kept = kept(of: space), space.free - log < kept else { return nil }
        let owed = log > 0 ? ", of which copying its log may take \(log.bytesInWords)" : ""
        return LeatError(
            .diskFull,
            "Only \(space.free.bytesInWords) are free on the disk of '\(printable(name))'\(owed), and the last \(kept.bytesInWords) are kept for the acknowledgements of what has been begun; no new work is begun until there is more room."
        )
    }
}

extension Int64 {
    /// A number of bytes for people.
    package var bytesInWords: String {
        switch self {
        case ..<(10 << 10): "\(self) bytes"
        case ..<(10 << 20): "\(self >> 10) KiB"
        case ..<(10 << 30): "\(self >> 20) MiB"
        default: "\(self >> 30) GiB"
        }
    }
}
