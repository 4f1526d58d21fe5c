#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// Why a worker's process must end at once, in the middle of whatever it does.
public enum WorkerFatal: Sendable, Hashable {
    /// One call of the stage's function took longer than its timeout. `item` is `nil` for a call on several.
    case timedOut(StageName, item: ItemID?, after: Duration)
    /// The database's path, or its log's, names another file now: nothing written to the old one would be seen.
    case fileReplaced

    /// What the process ends with.
    public var exitStatus: Int32 {
        switch self {
        case .timedOut: ReservedStatus.timedOut
        case .fileReplaced: ReservedStatus.internalError
        }
    }

    /// Ends the process without running anything more of it: the function that hangs may hold any lock.
    public static let exitProcess: @Sendable (WorkerFatal) -> Void = { _exit($0.exitStatus) }
}

/// Exit statuses that have a meaning between workers and their supervisor.
public enum ReservedStatus {
    /// The worker ended itself, since its item was not finished within the timeout. The word of `timeout(1)`.
    public static let timedOut: Int32 = 124
    /// Something broke that no item and no stage is to blame for.
    public static let internalError: Int32 = 40
    /// The database is damaged, or its disk failed: nobody is to write to it any more. `EX_IOERR` of sysexits(3).
    public static let damaged: Int32 = 74
    /// The same, of a worker that tells its supervisor, which ends the whole run then. It is another number since a stage's
    /// function may itself end its process with 74, which is that function's own failure.
    public static let damageFound: Int32 = 174
}
