internal import Leat

// The file, its log, and the room that the disk has for them.

extension SQLiteStore {
    /// Whether the path names another file than the one that was opened, or another log.
    package var isFileReplaced: Bool { file?.isReplaced ?? false }

    /// Why no new work is begun just now, as a sentence: there is too little room.
    package var shortage: String? { space?.shortage(at: time.instant)?.message }

    /// The same for who would begin some. It has the log give back what it does not need, which may be what he waits for.
    var lackOfRoom: LeatError? {
        guard let error = space?.shortage(at: time.instant) else { return nil }
        checkpointer?.roomIsWanted()
        return error
    }

    /// Copies the log into the database under the checkpoint rule, if no other process is at it.
    ///
    /// It is for the end of a run: what remains in the log is as durable, but a person may want to copy one file.
    public func checkpoint() async throws {
        do { try await checkpointer?.checkpoint() } catch { throw leatError(error, path: name) }
    }
}
