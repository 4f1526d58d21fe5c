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
    private let state = Mutex(State())

    private struct State {
        var lookedAt: Int64?
        var shortage: LeatError?
    }

    /// Claims come by the thousand, and a file system fills slower.
    private static let interval = Duration.seconds(1)

    init(reserve: Int64?, name: String, look: @escaping @Sendable () -> FreeSpace?) {
        self.reserve = reserve
        self.name = name
        self.look = look
    }

    /// Why no new work is to be begun, if so. One `statvfs` a second at most.
    ///
    /// - Parameter instant: of the store's clock, in nanoseconds.
    func shortage(at instant: Int64) -> LeatError? {
        guard reserve != 0 else { return nil }
        return state.withLock { state in
            if let last = state.lookedAt, instant - last < Self.interval.nanoseconds { return state.shortage }
            state.lookedAt = instant
            state.shortage = measure()
            return state.shortage
        }
    }

    /// How much of a file system is kept free, in bytes.
    func kept(of space: FreeSpace?) -> Int64? { reserve ?? space?.usualReserve }

    private func measure() -> LeatError? {
        guard let space = look() else { return nil }
        guard let kept = kept(of: space), space.free < kept else { return nil }
        return LeatError(
            .diskFull,
            "Only \(space.free.bytesInWords) are free on the disk of '\(printable(name))', and the last \(kept.bytesInWords) are kept for the acknowledgements of what has been begun; no new work is begun until there is more room."
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
