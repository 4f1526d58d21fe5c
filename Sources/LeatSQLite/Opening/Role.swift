internal import CLeatSQLite
internal import GRDB
internal import Leat

/// What a connection is for. Each role has a connection, and so a thread, of its own.
enum Role: Sendable {
    /// All steps of the engine.
    case writer
    /// Heartbeats, which must not wait for the work.
    case heartbeat
    /// What users' closures read.
    case reader
    /// Our views, and looking for changes. Only our own statements run on it, past GRDB.
    case observer
    case checkpointer

    /// A heartbeat that a power cut undoes is of a boot that is over. The checkpointer's own write is for those who run now
    /// (``Checkpointer``), and to sync the log with it would keep the write lock for as long as that takes; copying syncs
    /// the log before, and the database after, on any such level
    /// (https://sqlite.org/pragma.html#pragma_synchronous). All else is synced at each commit.
    private var isSyncedAtEachCommit: Bool { self != .heartbeat && self != .checkpointer }

    /// Opens a connection that changes nothing, to see whose file it is.
    static func openToLook(_ path: String, deadline: Duration) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.prepareDatabase { database in
            database.sqliteConnection.map { BusyHandler.set(on: $0, deadline: deadline) }
            try guardLog(database)
        }
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    /// First of all on each connection: the default of 1000 pages would let it checkpoint by itself
    /// (https://sqlite.org/wal.html, "Automatic Checkpoint"), and the last one to close would too, which the rule of
    /// ``Checkpointer`` forbids.
    ///
    /// And a transaction that is larger than the cache would write frames before its end. When a savepoint in it is undone,
    /// SQLite may go on from the checksum of a frame that is not in the log any more: what is committed afterwards is there
    /// until the log is read anew, and then is not (3.40.1 does so; `sqlite3WalSavepointUndo` of 3.53.4 forgets that frame).
    /// So what a transaction changes stays in memory until its end.
    static func guardLog(_ database: Database) throws {
        try database.execute(sql: "PRAGMA wal_autocheckpoint = 0")
        try database.execute(sql: "PRAGMA cache_spill = OFF")
        guard let handle = database.sqliteConnection,
            leat_sqlite3_db_config_switch(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1) == SQLITE_OK
        else { throw LeatError(.storeFailed, "SQLite refused to leave its log alone.") }
    }

    /// Opens a connection in the order that keeps it safe, and reads back what was set.
    func open(_ path: String, deadline: Duration) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "leat.\(self)"
        configuration.prepareDatabase { database in
            guard let handle = database.sqliteConnection else { return }
            BusyHandler.set(on: handle, deadline: deadline)
            try Self.guardLog(database)
            for (option, on) in [
                (SQLITE_DBCONFIG_DEFENSIVE, 1), (SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
                (SQLITE_DBCONFIG_DQS_DML, 0), (SQLITE_DBCONFIG_DQS_DDL, 0),
            ] as [(Int32, Int32)] {
                guard leat_sqlite3_db_config_switch(handle, option, on) == SQLITE_OK else { throw SQLFailure(handle) }
            }
            try database.execute(sql: "PRAGMA secure_delete = OFF")
            try database.execute(sql: "PRAGMA journal_size_limit = 67108864")
            // EXTRA while a new file is turned to the log: then the folder is synced after the old journal was deleted. By
            // FULL it is not, and a journal that a power cut brings back undoes all that was committed since.
            try database.execute(sql: "PRAGMA synchronous = EXTRA")
            let isMemory = path == ":memory:"
            let mode = try String.fetchOne(database, sql: "PRAGMA journal_mode = \(isMemory ? "MEMORY" : "WAL")")
            guard mode == (isMemory ? "memory" : "wal") else {
                throw LeatError(
                    .unsafePlace,
                    "'\(printable(path))' can't keep a write-ahead log (SQLite answered '\(mode ?? "nothing")'); put it on a local disk."
                )
            }
            let level = isSyncedAtEachCommit ? 2 : 1
            try database.execute(sql: "PRAGMA synchronous = \(level)")
            guard try Int.fetchOne(database, sql: "PRAGMA synchronous") == level else {
                throw LeatError(.storeFailed, "SQLite refused to sync each commit of '\(printable(path))'.")
            }
        }
        let name = self == .writer ? LogFileSystem.name(for: path) : path
        let queue = try DatabaseQueue(path: name, configuration: configuration)
        if self == .observer {
            // GRDB looks at each column that a statement reads, for observations that nobody makes here; with views as
            // deep as ours that takes ten times as long as the answer.
            queue.writeWithoutTransaction { database in
                _ = sqlite3_set_authorizer(database.sqliteConnection, nil, nil)
            }
        }
        return queue
    }
}
