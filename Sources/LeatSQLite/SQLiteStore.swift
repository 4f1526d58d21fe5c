internal import CLeatSQLite
internal import Dispatch
public import GRDB
public import Leat
internal import Synchronization

/// The embedded store: one SQLite file in WAL mode, which any number of processes of one host may open.
///
/// Every step is one `BEGIN IMMEDIATE` transaction, synced before it is answered
/// (`synchronous=FULL`), so what was acknowledged survives a power cut.
///
/// ```swift
/// let store = try await SQLiteStore.open("flights.db")
/// let status = try await store.status()
/// ```
///
/// - Important: Nothing else in this process may open the file by a descriptor of its own (not even to copy it): its
///   close would drop SQLite's locks.
/// - Note: Next to `flights.db` stands the folder `flights.db-leat` with locks and the workers' logs.
public final class SQLiteStore: Store {
    public let time: any TimeSource
    public let terms: LeaseTerms

    /// `nil` for a database in memory.
    let file: DatabaseFile?
    let writer: DatabaseQueue
    let deadline: Duration
    let checkpointer: Checkpointer?
    /// The writer's and the heartbeat's places in the queue of writers: a lock is its descriptor's.
    let writerQueue: WriterQueue?
    let heartbeatQueue: WriterQueue?
    /// This process's steps on the writer's connection.
    let steps = StepQueue()
    let shared: Mutex<Shared>
    /// `nil` for a database in memory, which fills no disk.
    let space: SpaceGuard?
    let damage: Damage
    // The statements of the writer's connection. They are touched on the writer's queue only, which GRDB serialises.
    nonisolated(unsafe) var writerStatements: Connection?
    // Likewise, on the heartbeat's queue.
    nonisolated(unsafe) var heartbeatStatements: Connection?
    // And on the observer's, which is the writer's where the database is in memory.
    nonisolated(unsafe) private var observerStatements: Connection?

    /// What tasks share.
    struct Shared {
        /// What the writer works by, and its version.
        var plan: Plan?
        var planVersion: Int64 = 0
        /// What was last read for an observer.
        var observedPlan: (plan: Plan, version: Int64)?
        /// Those that are opened when they are first needed.
        var connections: [Role: DatabaseQueue] = [:]
        /// Held as long as the worker lives: the kernel frees it when the process dies.
        var workerLocks: [WorkerID: FileLock] = [:]
        /// By their connection: transactions of others that queues are used in just now.
        var guests: [ObjectIdentifier: Guest] = [:]
        /// Those that were rung or waited for.
        var doorbells: [Awaited: Doorbell] = [:]
        /// Queues that were found, or left, without anything to claim, and how often their bell had been rung then.
        var quiet: [QueueName: UInt32] = [:]
        /// Counts this process's commits: a database in memory has no other sign of change.
        var commits: Int64 = 0
    }

    init(
        file: DatabaseFile?, writer: DatabaseQueue, deadline: Duration, time: any TimeSource, terms: LeaseTerms,
        space: SpaceGuard? = nil
    ) throws {
        let damage = Damage()
        self.damage = damage
        self.space = space
        self.file = file
        self.writer = writer
        self.deadline = deadline
        self.time = time
        self.terms = terms
        checkpointer = try file.map {
            try Checkpointer(file: $0, deadline: deadline, time: time, damage: damage, space: space)
        }
        writerQueue = try file.map { try WriterQueue(path: $0.writerLock) }
        heartbeatQueue = try file.map { try WriterQueue(path: $0.writerLock) }
        shared = Mutex(Shared())
    }

    /// Opens a database, and makes or migrates it when that is due.
    ///
    /// - Parameters:
    ///   - path: the file; its folder must be on a local disk. `:memory:` is a database of this process alone.
    ///   - creating: whether a file that isn't there is made.
    ///   - deadline: how long a transaction waits for its turn before it fails with ``LeatError/Code/busy``.
    /// - Throws: ``LeatError`` with `notFound`, `unsafePlace` or `foreignFile`, with nothing changed.
    public static func open(
        _ path: String,
        creating: Bool = true,
        time: any TimeSource = HostTime(),
        terms: LeaseTerms = LeaseTerms(),
        deadline: Duration = .seconds(30)
    ) async throws -> SQLiteStore {
        try await open(path, creating: creating, time: time, terms: terms, deadline: deadline, bytesKeptFree: nil)
    }

    /// Opens a database as ``open(_:creating:time:terms:deadline:)`` does, and says how much of the disk is kept.
    ///
    /// - Parameters:
    ///   - path: the file; its folder must be on a local disk.
    ///   - creating: whether a file that isn't there is made.
    ///   - deadline: how long a transaction waits for its turn.
    ///   - bytesKeptFree: so much of the disk is kept for the acknowledgements of what has been begun: with less free,
    ///     claims fail with ``LeatError/Code/diskFull`` and producers wait; workers say so once, and go on by themselves
    ///     when there is room. `nil`: 64 MiB, or an eighth of a smaller file system; 0: nothing.
    public static func open(
        _ path: String,
        creating: Bool = true,
        time: any TimeSource = HostTime(),
        terms: LeaseTerms = LeaseTerms(),
        deadline: Duration = .seconds(30),
        bytesKeptFree: Int64?
    ) async throws -> SQLiteStore {
        try await open(
            path, creating: creating, time: time, terms: terms, deadline: deadline, bytesKeptFree: bytesKeptFree,
            space: FreeSpace.init(of:))
    }

    /// - Parameter space: tells how much room the file system of a path has.
    static func open(
        _ path: String, creating: Bool, time: any TimeSource, terms: LeaseTerms, deadline: Duration,
        bytesKeptFree: Int64?, space: @escaping @Sendable (_ path: String) -> FreeSpace?
    ) async throws -> SQLiteStore {
        // Opening blocks, on locks too; the pool's threads are for what does not.
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(
                    with: Result {
                        try openBlocking(
                            path, creating: creating, time: time, terms: terms, deadline: deadline,
                            bytesKeptFree: bytesKeptFree, space: space)
                    })
            }
        }
    }

    /// A database of this process alone, gone with it; opening it waits for nothing.
    ///
    /// `Pipeline.runInMemory()` uses one when a stage sees the database.
    public static func inMemory(time: any TimeSource = HostTime(), terms: LeaseTerms = LeaseTerms()) throws
        -> SQLiteStore
    {
        try openBlocking(":memory:", creating: true, time: time, terms: terms, deadline: .seconds(30))
    }

    private static func openBlocking(
        _ path: String, creating: Bool, time: any TimeSource, terms: LeaseTerms, deadline: Duration,
        bytesKeptFree: Int64? = nil, space: @escaping @Sendable (_ path: String) -> FreeSpace? = FreeSpace.init(of:)
    ) throws -> SQLiteStore {
        var file = path == ":memory:" ? nil : try DatabaseFile(path, creating: creating)
        do {
            return try readingRecords("its schema") { () throws -> SQLiteStore in
                try file.map {
                    try Migration.refuseForeign($0.path, shownAs: path, creating: creating, deadline: deadline)
                }
                try file?.makeFolder()
                // One process at a time looks at the schema and brings it up to date.
                let lock = try file.map { try FileLock.lock(path: $0.migrateLock) }
                defer { lock?.release() }
                let writer = try Role.writer.open(file?.path ?? ":memory:", deadline: deadline)
                // A file that is up to date is only read: it opens beside the longest transaction.
                let isDue = try writer.writeWithoutTransaction { database in
                    try Migration.isDue(Migration.all, for: database, path: path)
                }
                if isDue {
                    try writer.write { database in
                        try Migration.apply(Migration.all, to: database, path: path, at: time.wallClock)
                    }
                }
                // From now on the log is there, for as long as any connection is.
                file?.noteLog()
                let guarded = file.map { file in
                    SpaceGuard(reserve: bytesKeptFree, name: path, look: { space(file.path) }, log: { file.logBytes })
                }
                let store = try SQLiteStore(
                    file: file, writer: writer, deadline: deadline, time: time, terms: terms, space: guarded)
                try store.connect()
                return store
            }
        } catch {
            throw leatError(error, path: path, isOpening: true)
        }
    }

    /// Prepares the writer's connection: the hook that tells the checkpointer how long the log has grown.
    private func connect() throws {
        try writer.writeWithoutTransaction { database in
            let connection = try Connection(database)
            writerStatements = connection
            database.add(transactionObserver: connection.commitGuard, extent: .databaseLifetime)
            watchLog(connection.handle)
        }
    }

    /// Has the checkpointer told how long the log has grown with each commit of a connection.
    func watchLog(_ handle: OpaquePointer) {
        guard let checkpointer else { return }
        // The checkpointer outlives the hook: it belongs to this store, which whoever owns the connection keeps.
        let context = Unmanaged.passUnretained(checkpointer).toOpaque()
        _ = sqlite3_wal_hook(
            handle,
            { context, _, _, pages in
                guard let context else { return SQLITE_OK }
                Unmanaged<Checkpointer>.fromOpaque(context).takeUnretainedValue().logHas(pages: Int(pages))
                return SQLITE_OK
            }, context)
    }

    deinit {
        // Statements go before their connections.
        writerStatements = nil
        heartbeatStatements = nil
        observerStatements = nil
    }

    // MARK: Reading

    /// Reads our own tables and views, in one snapshot. The database in memory has one connection for all.
    func observe<T: Sendable>(_ body: @escaping @Sendable (Connection) throws -> T) async throws -> T {
        let queue = try connection(.observer)
        return try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<T, any Error>) in
            queue.asyncWriteWithoutTransaction { [self] database in
                continuation.resume(
                    with: Result {
                        do {
                            let connection = try observing(database)
                            try connection.execute("BEGIN")
                            defer {
                                if connection.isInTransaction {
                                    sqlite3_exec(connection.handle, "COMMIT", nil, nil, nil)
                                }
                            }
                            return try body(connection)
                        } catch {
                            throw noted(leatError(error, path: name, on: database.sqliteConnection))
                        }
                    })
            }
        }
    }

    /// Who watches a run asks the same few questions each second, and compiling one takes longer than answering it.
    private func observing(_ database: Database) throws -> Connection {
        if let observerStatements, observerStatements.database === database { return observerStatements }
        let connection = try Connection(database, questionsKept: 64)
        observerStatements = connection
        return connection
    }

    /// Your own tables, in one snapshot, beside running workers.
    ///
    /// ```swift
    /// let tails = try await store.reading { db in try String.fetchAll(db, sql: "SELECT tail FROM flight LIMIT 100") }
    /// ```
    ///
    /// - Important: Read a bounded page and come back for the next: an open read keeps the log from being reused.
    public func reading<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws -> T {
        let queue = try connection(.reader)
        return try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<T, any Error>) in
            queue.asyncWriteWithoutTransaction { [self] database in
                continuation.resume(
                    with: Result {
                        do {
                            var result: T?
                            try database.inTransaction(.deferred) {
                                result = try body(database)
                                return .commit
                            }
                            guard let result else { throw LeatError(.storeFailed, "A read did not take place.") }
                            return result
                        } catch {
                            throw leatError(error, path: name)
                        }
                    })
            }
        }
    }

    /// What the database is called in messages.
    var name: String { file?.path ?? ":memory:" }

    /// The connection of a role, opened when it is first needed.
    func connection(_ role: Role) throws -> DatabaseQueue {
        guard let file else { return writer }
        return try shared.withLock { shared in
            if let queue = shared.connections[role] { return queue }
            do {
                let queue = try role.open(file.path, deadline: deadline)
                shared.connections[role] = queue
                return queue
            } catch {
                throw leatError(error, path: name)
            }
        }
    }
}
