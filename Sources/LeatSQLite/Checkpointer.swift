internal import CLeatSQLite
internal import Dispatch
internal import GRDB
internal import Leat
internal import Synchronization

/// Copies the log into the database: the one place that does, by the rule that holds on every SQLite.
///
/// SQLite 3.7.0 to 3.51.2 may lose commits when a checkpointer finds the log fully
/// copied while a writer restarts it (the WAL-reset bug). So, whatever the version:
///
/// 1. no connection checkpoints by itself (``Role/open(_:deadline:)``);
/// 2. one process at a time does, holding the lock `checkpoint`, and *commits a small write of its own first*, then
///    checkpoints PASSIVE at once: the log is then never fully copied when the checkpoint begins, so nobody can
///    restart it meanwhile. It does so twice: beside the writers, and then, for the little that they have added, with
///    the writers' queue held, so that all is copied and the next writer uses the log again from its beginning.
///    PASSIVE alone would never catch up with writers that do not pause;
/// 3. off the claim path: on a thread of its own, when the log has reached 4 MB, or a second after the last commit of
///    items. Heartbeats and its own writes do not arm it.
///
/// It is a class since SQLite's hook holds a pointer to it.
final class Checkpointer: Sendable {
    private let file: DatabaseFile
    private let deadline: Duration
    private let time: any TimeSource
    /// Where the work is done: GRDB's queue of a connection of its own, opened when first needed.
    private let queue = DispatchQueue(label: "leat.checkpointer.timer")
    private let state = Mutex(State())
    private let writerQueue: WriterQueue
    private let damage: Damage
    private let space: SpaceGuard?

    private struct State {
        var connection: DatabaseQueue?
        var lastWork: Int64 = 0
        /// Since when the log waits to be copied.
        var firstWork: Int64 = 0
        var isTimerSet = false
        var isDue = false
        /// A reader holds the log: trying again at every commit would only hold up the writers.
        var pausesUntil: Int64 = 0
    }

    /// 4 MB of SQLite's default pages.
    private static let pages = 1024
    private static let quiet = Duration.seconds(1)
    /// Work that never pauses, and never fills the log either, is not waited for.
    private static let longest = Duration.seconds(10)
    /// How long it waits for the writers: one that has stopped there keeps only the rest of the log from being copied.
    private static let turn = Duration.seconds(1)
    /// In bytes: less is not worth a write each second while everybody waits for room.
    private static let smallLog: Int64 = 64 << 10
    /// In bytes, the limit that a log is cut to: so much at most is copied while nobody may write.
    private static let quickLog: Int64 = 64 << 20
    /// In nanoseconds.
    private static let patience: Int64 = 1_000_000_000

    init(
        file: DatabaseFile, deadline: Duration, time: any TimeSource, damage: Damage, space: SpaceGuard? = nil
    ) throws {
        self.damage = damage
        self.space = space
        writerQueue = try WriterQueue(path: file.writerLock)
        self.file = file
        self.deadline = deadline
        self.time = time
    }

    /// A commit found the log so long.
    func logHas(pages: Int) {
        guard pages >= Self.pages else { return }
        let isFirst = state.withLock { state in
            guard !state.isDue, now >= state.pausesUntil else { return false }
            state.isDue = true
            return true
        }
        if isFirst { queue.async { [self] in runDue() } }
    }

    /// Items were committed: a second after the last of them the log is copied.
    func workWasCommitted() {
        let now = now
        let isFirst = state.withLock { state in
            state.lastWork = now
            if !state.isTimerSet { state.firstWork = now }
            defer { state.isTimerSet = true }
            return !state.isTimerSet
        }
        if isFirst { setTimer() }
    }

    /// There is too little room: the log is copied, and cut, if it holds any that is worth it.
    func roomIsWanted() {
        guard file.logBytes > Self.smallLog, now >= state.withLock({ $0.pausesUntil }) else { return }
        workWasCommitted()
    }

    private func setTimer() {
        queue.asyncAfter(deadline: .now() + Self.quiet.seconds) { [weak self] in
            guard let self else { return }
            let (first, last) = state.withLock { ($0.firstWork, $0.lastWork) }
            if now - last < Self.quiet.nanoseconds, now - first < Self.longest.nanoseconds {
                setTimer()
            } else {
                state.withLock { $0.isTimerSet = false }
                runDue()
            }
        }
    }

    private func runDue() {
        defer { state.withLock { $0.isDue = false } }
        do {
            try run()
        } catch {
            // The log stays as it is, and as durable; the next commit that finds it long tries again.
        }
    }

    /// Copies what can be copied, unless another process is at it.
    func checkpoint() async throws {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { [self] in continuation.resume(with: Result { try run() }) }
        }
    }

    private func run() throws {
        try damage.check()
        do {
            try runUndamaged()
        } catch {
            // A log that can't be synced, or a database that can't, must stop the writers too.
            let told = leatError(error, path: file.path)
            damage.note(told)
            throw told
        }
    }

    private func runUndamaged() throws {
        guard let lock = try FileLock.tryLock(path: file.checkpointLock) else { return }
        defer { lock.release() }
        let connection = try state.withLock { state in
            if let connection = state.connection { return connection }
            let connection = try Role.checkpointer.open(file.path, deadline: deadline)
            state.connection = connection
            return connection
        }
        try connection.writeWithoutTransaction { database in
            let left = try copy(database)
            // Much is left when a reader keeps it from being copied: the writers are not to wait for that.
            guard left <= Self.pages else { return pause() }
            // Without a turn too: a writer that stands still may keep it for ever.
            _ = writerQueue.enter(within: Self.turn) { false }
            defer { writerQueue.leave() }
            guard try copy(database) == 0 else { return pause() }
            if space?.shortage(at: time.instant) != nil { try giveBack(database) }
        }
    }

    /// A reader is in the log. Each try writes a page into it, and where room is short that is what is kept for others.
    private func pause() {
        let isShort = space?.shortage(at: time.instant) != nil
        state.withLock { $0.pausesUntil = now + (isShort ? 30 : 1) * Self.patience }
    }

    /// Gives the file system what the log, all copied, has room for: on a small disk that may be what the work waits for.
    ///
    /// The next commit begins the log anew, and cuts it to the limit (https://sqlite.org/pragma.html#pragma_journal_size_limit)
    /// unless a reader is in it; so no checkpoint resets it, and the rule holds.
    private func giveBack(_ database: Database) throws {
        let limit = try Int.fetchOne(database, sql: "PRAGMA journal_size_limit") ?? -1
        try database.execute(sql: "PRAGMA journal_size_limit = 0")
        defer {
            // It fails only where the connection can do nothing more.
            try? database.execute(sql: "PRAGMA journal_size_limit = \(limit)")
        }
        do {
            try noteBeginning(database)
        } catch let error as DatabaseError where isForWantOfRoom(error, database) {
            // A reader is in it. All is copied, which is what was to be done.
            pause()
        }
    }

    private func isForWantOfRoom(_ error: DatabaseError, _ database: Database) -> Bool {
        let systemError = database.sqliteConnection.map { sqlite3_system_errno($0) } ?? 0
        return SQLFailure(error, systemError: systemError).kind == .full
    }

    /// The rule: a write of our own, and the checkpoint at once.
    ///
    /// On a full disk the write finds no room, and copying may be what makes some: then nobody can write meanwhile.
    ///
    /// - Returns: how many pages of the log are still to be copied.
    private func copy(_ database: Database) throws -> Int {
        do {
            try noteBeginning(database)
        } catch let error as DatabaseError
            where isForWantOfRoom(error, database) && file.logBytes <= Self.quickLog
        {
            return try whileNobodyWrites { try checkpoint(database) }
        }
        return try checkpoint(database)
    }

    /// Holds the write lock on a connection of its own: who restarts the log needs it, so that the rule holds.
    private func whileNobodyWrites<Value>(_ body: () throws -> Value) throws -> Value {
        try Role.checkpointer.open(file.path, deadline: Self.turn).writeWithoutTransaction { database in
            try database.execute(sql: "BEGIN IMMEDIATE")
            defer {
                // It has written nothing; the connection is closed after it in any case.
                try? database.execute(sql: "ROLLBACK")
            }
            return try body()
        }
    }

    private func checkpoint(_ database: Database) throws -> Int {
        guard let handle = database.sqliteConnection else { return 0 }
        var inLog: Int32 = 0
        var copied: Int32 = 0
        let code = sqlite3_wal_checkpoint_v2(handle, nil, SQLITE_CHECKPOINT_PASSIVE, &inLog, &copied)
        // BUSY: a reader keeps a part from being copied; the next time copies it.
        guard code == SQLITE_OK || code == SQLITE_BUSY else { throw SQLFailure(handle) }
        return Int(inLog - copied)
    }

    private func noteBeginning(_ database: Database) throws {
        try database.execute(
            sql: "UPDATE leat_checkpoint SET begun_at = ?, count = count + 1", arguments: [time.wallClock])
    }

    private var now: Int64 { Int64(DispatchTime.now().uptimeNanoseconds) }
}
