public import GRDB
public import Leat

// Queues within the caller's own transactions: a row and its job commit together, or neither does.

extension SQLiteStore {
    /// Runs a transaction of yours on Leat's own connection: your tables, puts and acknowledgements commit together, and
    /// are synced.
    ///
    /// ```swift
    /// try await store.writing { db in
    ///     try order.insert(db)
    ///     try mails.put(Mail(confirming: order), in: db)
    /// }
    /// ```
    ///
    /// - Important: Nobody else can write meanwhile: no network calls, no waiting. `body` may neither commit nor roll
    ///   back; what it throws undoes all of it.
    public func writing<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws -> T {
        try await write(countingAsWork: true) { transaction in
            try transaction.callingOut { try body(transaction.database) }.get()
        }
    }

    /// Makes a connection of your own safe to be used beside Leat's: call it first in your configuration's
    /// `prepareDatabase`.
    ///
    /// It keeps the connection from checkpointing, which Leat does by a rule of its own, since on most versions of
    /// SQLite a checkpoint at the wrong moment can lose commits.
    ///
    /// ```swift
    /// var configuration = Configuration()
    /// configuration.busyMode = .timeout(5)
    /// configuration.prepareDatabase { db in try SQLiteStore.setUp(db) }
    /// let pool = try DatabasePool(path: "app.db", configuration: configuration)
    /// ```
    ///
    /// - Note: How far a commit on that connection is synced is the connection's choice: GRDB's pools set
    ///   `synchronous=NORMAL`, under which the last commits before a power cut may be gone, your rows and their jobs
    ///   together.
    public static func setUp(_ db: Database) throws { try Role.guardLog(db) }

    /// Our steps inside a transaction that the caller has begun, on whichever connection.
    fileprivate func inTransaction<T>(of db: Database, _ work: (Transaction) throws -> T) throws -> T {
        guard let handle = db.sqliteConnection else {
            throw LeatError(.storeFailed, "The database was used after it was closed.")
        }
        if let own = writerStatements, own.handle == handle {
            return try perform(Transaction(store: self, database: db, sql: own), work)
        }
        try refuseUnprepared(db)
        let connection = try Connection(db)
        let result = try perform(Transaction(store: self, database: db, sql: connection), work)
        let rings = connection.rings.take()
        db.afterNextTransaction { [self] _ in
            checkpointer?.workWasCommitted()
            ring(rings)
        }
        return result
    }

    private func perform<T>(_ transaction: Transaction, _ work: (Transaction) throws -> T) throws -> T {
        guard transaction.sql.isInTransaction else {
            throw LeatError(
                .refused, "A queue can only be used inside a transaction; begin one, as `write` of a GRDB queue does.")
        }
        do {
            return try work(transaction)
        } catch {
            throw leatError(error, path: name)
        }
    }

    private func refuseUnprepared(_ db: Database) throws {
        guard try Self.file(of: db) == file?.path else {
            throw LeatError(
                .refused,
                "The connection is to '\(printable(try Self.file(of: db) ?? ""))', and the queue is in '\(printable(name))'; use one to the same file."
            )
        }
        guard try Int.fetchOne(db, sql: "PRAGMA wal_autocheckpoint") == 0 else {
            throw LeatError(
                .refused,
                "The connection would checkpoint '\(printable(name))' by itself, which can lose commits; call SQLiteStore.setUp in its configuration's prepareDatabase."
            )
        }
    }

    private static func file(of db: Database) throws -> String? {
        try String.fetchOne(db, sql: "SELECT file FROM pragma_database_list WHERE name = 'main'")
    }
}

extension Queue {
    /// Puts a value inside your own transaction: it is there if and when that commits.
    ///
    /// The connection is Leat's (``SQLiteStore/writing(_:)``), or one of yours to the same file that
    /// ``SQLiteStore/setUp(_:)`` has prepared.
    ///
    /// - Returns: whether it was put: `false` if an item of that key is there already.
    /// - Throws: ``LeatError/Code/refused`` outside a transaction, or on a connection that is not prepared.
    @discardableResult
    public func put(
        _ value: Value, key: String? = nil, delay: Duration = .zero, priority: Int = 0, in db: Database
    ) throws -> Bool {
        let output = try output(value, key: key, delay: delay, priority: priority)
        return try sqliteStore(store).inTransaction(of: db) { try $0.put([output], from: nil) } > 0
    }

    /// Puts values inside your own transaction, in their order.
    ///
    /// - Returns: how many were put: those whose key was there already are not.
    @discardableResult
    public func put(
        contentsOf values: some Sequence<Value>, keyedBy key: (Value) -> String? = { _ in nil },
        delay: Duration = .zero, priority: Int = 0, in db: Database
    ) throws -> Int {
        let outputs = try outputs(values, keyedBy: key, delay: delay, priority: priority)
        return try sqliteStore(store).inTransaction(of: db) { try $0.put(outputs, from: nil) }
    }
}

extension QueueItem {
    /// It is done, if and when your own transaction commits: what that writes takes effect exactly once.
    ///
    /// - Throws: ``LeatError/Code/leaseLost`` when the item is another's by now; let your transaction roll back then.
    public func acknowledge(in db: Database) throws {
        try sqliteStore(store).inTransaction(of: db) { try $0.apply(Step(.each([id: .done]), of: lease)) }
    }
}

extension QueueBatch {
    /// All of them are done, if and when your own transaction commits: what that writes takes effect exactly once.
    ///
    /// - Throws: ``LeatError/Code/leaseLost`` when they are another's by now; let your transaction roll back then.
    public func acknowledge(in db: Database) throws {
        try sqliteStore(store).inTransaction(of: db) { try $0.apply(Step(.done, of: lease)) }
    }
}

private func sqliteStore(_ store: any Store) throws -> SQLiteStore {
    guard let store = store as? SQLiteStore else {
        throw LeatError(.refused, "This queue is not in an SQLite database, so no transaction of one can hold it.")
    }
    return store
}
