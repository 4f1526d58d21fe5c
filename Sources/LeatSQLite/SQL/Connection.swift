internal import CLeatSQLite
internal import GRDB
internal import Leat
internal import Synchronization

/// A query as it is written beside its only caller; `{name}` stands for the queue's name.
///
/// Its number is the place at which its prepared statements are kept, so it is only ever a `static let`.
final class Query: Sendable {
    let text: String
    let number: Int

    init(_ text: String) {
        self.text = text
        number = Self.numbers.add(1, ordering: .relaxed).oldValue
    }

    private static let numbers = Atomic(0)

    /// Queue names match `[a-z][a-z0-9_]*`, so that they may stand in a statement.
    func text(for queue: QueueName?) -> String {
        guard let queue else { return text }
        return text.split(separator: "{name}", omittingEmptySubsequences: false).joined(separator: queue.rawValue)
    }
}

/// Statements by the numbers of their queries.
// A class: it is changed where it lies.
final class StatementTable {
    private var statements: [Statement?] = []

    func statement(of query: Query, preparing prepare: () throws -> Statement) rethrows -> Statement {
        if query.number < statements.count, let statement = statements[query.number] { return statement }
        let statement = try prepare()
        while statements.count <= query.number { statements.append(nil) }
        statements[query.number] = statement
        return statement
    }

    var all: [Statement] { statements.compactMap { $0 } }
}

/// A step that is only looked at has something to write.
struct WouldWrite: Error {}

/// One connection's prepared statements. It is used on the queue of its GRDB connection only.
final class Connection {
    /// GRDB's view of the same connection, for what is asked too seldom to go past it.
    let database: Database
    let handle: OpaquePointer
    let commitGuard = CommitGuard()
    let rings = Rings()
    let scratch = Scratch()
    /// Queues that were found in this transaction to have no state row: then none needs to be looked for.
    var rowless: [QueueName] = []
    /// What a user's function has met in a step of ours within it, if that can't go on: it may throw something else.
    var failure: LeatError?
    /// A step is only looked at: a statement that writes is refused.
    var isLooking = false
    private let statements = StatementTable()
    /// Those of each queue. The one that was used last lies at hand: hashing its name costs as much as a small query.
    private var tables: [QueueName: StatementTable] = [:]
    private var lastQueue: QueueName?
    private var lastTable = StatementTable()
    /// Questions whose statements are kept, by their text, when nobody is reading their rows.
    private var questions: [String: OpaquePointer] = [:]
    private let questionsKept: Int
    /// As the writer's connection is opened.
    private var durability = Durability.powerCut

    /// - Parameter questionsKept: of how many questions (``each(_:_:body:)``) the statements are kept.
    init(_ database: Database, questionsKept: Int = 0) throws {
        self.questionsKept = questionsKept
        guard let handle = database.sqliteConnection else {
            throw LeatError(.storeFailed, "The database was used after it was closed.")
        }
        self.database = database
        self.handle = handle
    }

    deinit {
        // GRDB closes with sqlite3_close_v2, so a connection may outlive its statements or they it.
        for table in [statements] + Array(tables.values) {
            for statement in table.all { sqlite3_finalize(statement.handle) }
        }
        for question in questions.values { sqlite3_finalize(question) }
    }

    /// Has the commits that follow survive this. Costs nothing where it is so already.
    func sync(_ durability: Durability) throws {
        guard durability != self.durability else { return }
        try execute("PRAGMA synchronous = \(durability == .powerCut ? 2 : 1)")
        self.durability = durability
    }

    /// The statement of a query, prepared once a connection. The number of queries bounds what is kept.
    func callAsFunction(_ query: Query, _ queue: QueueName? = nil) throws -> Statement {
        let statement = try statement(of: query, queue)
        if isLooking, sqlite3_stmt_readonly(statement.handle) == 0 { throw WouldWrite() }
        return statement
    }

    private func statement(of query: Query, _ queue: QueueName?) throws -> Statement {
        guard let queue else { return try statements.statement(of: query) { try prepare(query, nil) } }
        if lastQueue != queue {
            lastTable = tables[queue] ?? StatementTable()
            tables[queue] = lastTable
            lastQueue = queue
        }
        return try lastTable.statement(of: query) { try prepare(query, queue) }
    }

    private func prepare(_ query: Query, _ queue: QueueName?) throws -> Statement {
        var prepared: OpaquePointer?
        let text = query.text(for: queue)
        guard sqlite3_prepare_v3(handle, text, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil) == SQLITE_OK,
            let prepared
        else { throw SQLFailure(handle) }
        return Statement(handle: prepared, connection: handle)
    }

    func begin() throws { try self(Self.beginQuery).run() }
    func commit() throws { try self(Self.commitQuery).run() }

    private static let beginQuery = Query("BEGIN IMMEDIATE")
    private static let commitQuery = Query("COMMIT")

    /// The rows of a question. Its statement is kept only where the same ones are asked again and again.
    ///
    /// It goes past GRDB, which looks at every column that a statement reads while it compiles it: of the views here
    /// that costs more than the answer.
    func each(_ text: String, _ values: [SQLValue] = [], body: (SQLRow) throws -> Void) throws {
        // Taken out while it is read: who asks the same within `body` gets another.
        let prepared = try questions.removeValue(forKey: text) ?? prepare(text)
        defer { putBack(prepared, text) }
        let statement = Statement(handle: prepared, connection: handle)
        statement.bind(values)
        while try statement.step() { try body(SQLRow(statement: prepared)) }
    }

    private func prepare(_ question: String) throws -> OpaquePointer {
        var prepared: OpaquePointer?
        guard sqlite3_prepare_v2(handle, question, -1, &prepared, nil) == SQLITE_OK, let prepared else {
            throw SQLFailure(handle)
        }
        return prepared
    }

    private func putBack(_ prepared: OpaquePointer, _ question: String) {
        guard questions.count < questionsKept, questions[question] == nil else {
            sqlite3_finalize(prepared)
            return
        }
        // A statement that is left standing pins the log.
        sqlite3_reset(prepared)
        sqlite3_clear_bindings(prepared)
        questions[question] = prepared
    }

    /// The first column of the first row, 0 if there is none.
    func number(_ text: String) throws -> Int64 {
        var number: Int64 = 0
        try each(text) { number = $0.int(0) }
        return number
    }

    /// Runs statements that are not worth keeping.
    func execute(_ text: String) throws {
        if isLooking { throw WouldWrite() }
        guard sqlite3_exec(handle, text, nil, nil, nil) == SQLITE_OK else { throw SQLFailure(handle) }
    }

    /// Whether a transaction stands. After an error it may have been rolled back by SQLite itself.
    var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }
    var lastInsertedID: Int64 { sqlite3_last_insert_rowid(handle) }
    /// Rows changed since the connection was opened.
    var totalChanges: Int { Int(sqlite3_total_changes(handle)) }
    var changes: Int { Int(sqlite3_changes(handle)) }
}
