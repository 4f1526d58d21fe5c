internal import CLeatSQLite
public import GRDB
public import Leat
internal import Synchronization

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
    ///   back; what it throws undoes all of it. The pages that it changes are in memory until it is committed.
    public func writing<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws -> T {
        try await write(countingAsWork: true, sharing: .users) { transaction in
            switch try transaction.callingOut({ try body(transaction.database) }) {
            case .success(let result): return result
            case .failure(let error): throw UsersError(error: UsersError.thrown(error))
            }
        }
    }

    /// Makes a connection of your own safe to be used beside Leat's: call it first in your configuration's
    /// `prepareDatabase`.
    ///
    /// It keeps the connection from checkpointing, which this store does for it by a rule of its own, since on most
    /// versions of SQLite a checkpoint at the wrong moment can lose commits. So keep the store for as long as the
    /// connection, as the closure does.
    ///
    /// ```swift
    /// var configuration = Configuration()
    /// configuration.busyMode = .timeout(5)
    /// configuration.prepareDatabase { db in try store.setUp(db) }
    /// let pool = try DatabasePool(path: "app.db", configuration: configuration)
    /// ```
    ///
    /// - Note: How far a commit on that connection is synced is the connection's choice: GRDB's pools set
    ///   `synchronous=NORMAL`, under which the last commits before a power cut may be gone, your rows and their jobs
    ///   together. And a transaction there that lasts longer than a lease may cost others their leases, as they can't be
    ///   renewed meanwhile.
    public func setUp(_ db: Database) throws {
        try Role.guardLog(db)
        if let handle = db.sqliteConnection { watchLog(handle) }
    }

    /// Our steps inside a transaction that the caller has begun, on whichever connection.
    fileprivate func inTransaction<T>(of db: Database, _ work: (Transaction) throws -> T) throws -> T {
        guard let handle = db.sqliteConnection else {
            throw LeatError(.storeFailed, "The database was used after it was closed.")
        }
        guard sqlite3_get_autocommit(handle) == 0 else {
            throw LeatError(
                .refused, "A queue can only be used inside a transaction; begin one, as `write` of a GRDB queue does.")
        }
        let connection =
            if let own = writerStatements, own.handle == handle { own } else { try guest(db).connection }
        do {
            let transaction = Transaction(store: self, database: db, sql: connection)
            connection.rowless.removeAll(keepingCapacity: true)
            try transaction.forgetChangedPlan()
            return try work(transaction)
        } catch {
            let told = leatError(error, path: name, on: handle)
            damage.note(told)
            if let told = told as? LeatError, [.busy, .diskFull, .damaged].contains(told.code) {
                connection.failure = told
            }
            throw told
        }
    }

    /// The statements for a transaction on somebody else's connection, kept until it ends.
    private func guest(_ db: Database) throws -> Guest {
        let id = ObjectIdentifier(db)
        if let guest = shared.withLock({ $0.guests[id] }) { return guest }
        guard !db.configuration.readonly else {
            throw LeatError(.refused, "The connection is for reading only; use one that may write.")
        }
        try refuseUnprepared(db)
        let guest = Guest(connection: try Connection(db))
        shared.withLock { $0.guests[id] = guest }
        db.afterNextTransaction(
            onCommit: { [self] _ in
                shared.withLock { _ = $0.guests.removeValue(forKey: id) }
                checkpointer?.workWasCommitted()
                ring(guest.connection.rings.take())
            },
            onRollback: { [self] _ in shared.withLock { _ = $0.guests.removeValue(forKey: id) } })
        return guest
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
                "The connection would checkpoint '\(printable(name))' by itself, which can lose commits; call the store's setUp in its configuration's prepareDatabase."
            )
        }
    }

    private static func file(of db: Database) throws -> String? {
        try String.fetchOne(db, sql: "SELECT file FROM pragma_database_list WHERE name = 'main'")
    }
}

/// What a transaction on somebody else's connection needs of us.
// @unchecked: it is used on its connection's queue only; others merely hold it.
final class Guest: @unchecked Sendable {
    let connection: Connection
    init(connection: Connection) { self.connection = connection }
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
        _ value: Value, key: String? = nil, group: String? = nil, due: Due = .now, priority: Int = 0, in db: Database
    ) throws -> Bool {
        let output = try output(value, key: key, group: group, due: due, priority: priority)
        return try put([output], in: db) > 0
    }

    /// Puts values inside your own transaction, in their order.
    ///
    /// - Returns: how many were put: those whose key was there already are not.
    @discardableResult
    public func put(
        contentsOf values: some Sequence<Value>, keyedBy key: (Value) -> String? = { _ in nil },
        due: Due = .now, priority: Int = 0, in db: Database
    ) throws -> Int {
        let outputs = try outputs(values, keyedBy: key, due: due, priority: priority)
        return try put(outputs, in: db)
    }

    /// Counted as put at once, though the transaction may come to nothing.
    private func put(_ outputs: [Output], in db: Database) throws -> Int {
        guard let observed = store as? ObservedStore else {
            return try sqliteStore(store).inTransaction(of: db) { try $0.put(outputs, from: nil) }
        }
        let traced = observed.observation.tracing(outputs)
        let count = try sqliteStore(store).inTransaction(of: db) { try $0.put(traced, from: nil) }
        observed.counted(outputs)
        return count
    }
}

extension QueueItem {
    /// It is done, if and when your own transaction commits: what that writes takes effect exactly once.
    ///
    /// - Throws: ``LeatError/Code/leaseLost`` when the item is another's by now; let your transaction roll back then.
    public func acknowledge(in db: Database) throws {
        try apply(Step(.each([id: .done]), of: held.lease), on: held.store, in: db)
    }
}

extension QueueBatch {
    /// All of them are done, if and when your own transaction commits: what that writes takes effect exactly once.
    ///
    /// - Throws: ``LeatError/Code/leaseLost`` when they are another's by now; let your transaction roll back then.
    public func acknowledge(in db: Database) throws {
        try apply(Step(.done, of: held.lease), on: held.store, in: db)
    }
}

/// Counted as settled at once, though the transaction may come to nothing.
private func apply(_ step: Step, on store: any Store, in db: Database) throws {
    try sqliteStore(store).inTransaction(of: db) { transaction in
        try transaction.apply(step)
        try transaction.tellReady(in: transaction.stage(step.stage).input)
    }
    (store as? ObservedStore)?.settled(step)
}

private func sqliteStore(_ store: any Store) throws -> SQLiteStore {
    guard let store = store.unobserved as? SQLiteStore else {
        throw LeatError(.refused, "This queue is not in an SQLite database, so no transaction of one can hold it.")
    }
    return store
}
