public import GRDB
public import Leat

// Stages whose functions see the database that the queues are in: what they write commits with the acknowledgement of
// their items, so it takes effect exactly once.

extension Consumer {
    /// A consumer that loads values into tables of the same database, exactly once.
    ///
    /// `function` is called inside the transaction that acknowledges the item, in a savepoint of its own: what it
    /// throws undoes that item alone, and is its failure.
    ///
    /// ```swift
    /// Consumer("load", from: "squares", database: { (db, square: Int) in
    ///     try db.execute(sql: "INSERT INTO square VALUES (?)", arguments: [square])
    /// })
    /// .tables { db in try db.execute(sql: "CREATE TABLE IF NOT EXISTS square (value INTEGER)") }
    /// ```
    ///
    /// - Important: The database is locked for writing meanwhile: no network calls, no waiting.
    public init<In>(
        _ name: StageName, from input: QueueReference<In>,
        database function: @escaping @Sendable (Database, In) throws -> Void
    ) {
        self.init(name, from: input, memoryStore: { try SQLiteStore.inMemory() }) { context, value in
            try function(try database(of: context), value)
        }
    }

    /// A consumer of a whole queue, called once when it is closed, inside the transaction that ends the stage.
    ///
    /// When the queue is reopened later (a retry upstream), it is called again with all of it: replace what you wrote.
    public init<In>(
        _ name: StageName, whenClosed input: QueueReference<In>,
        database function: @escaping @Sendable (Database, [In]) throws -> Void
    ) {
        self.init(name, whenClosed: input, memoryStore: { try SQLiteStore.inMemory() }) { context, values in
            try function(try database(of: context), values)
        }
    }

    /// A stage that runs once after others, inside the transaction that ends it: a report over what they loaded.
    ///
    /// When one of them is reopened later (a retry), it is called again: replace what you wrote.
    public init(
        _ name: StageName, after stages: [StageName], database function: @escaping @Sendable (Database) throws -> Void
    ) {
        self.init(name, after: stages, memoryStore: { try SQLiteStore.inMemory() }) { context in
            try function(try database(of: context))
        }
    }
}

extension Transformer {
    /// A transformer that sees the database, inside the transaction of its step: look-ups, and rows of its own.
    public init<In, Out>(
        _ name: StageName, from input: QueueReference<In>, to output: QueueReference<Out>,
        database function: @escaping @Sendable (Database, In) throws -> [Out]
    ) {
        self.init(name, from: input, to: output, memoryStore: { try SQLiteStore.inMemory() }) { context, value in
            try function(try database(of: context), value)
        }
    }
}

extension PipelineStage {
    /// Makes the tables that the stage's function writes to, before its first item.
    ///
    /// It runs in a transaction of its own in every worker that starts: write `CREATE TABLE IF NOT EXISTS`. Names that
    /// begin with `leat_`, `q_`, `qs_` or `items_` are Leat's.
    public func tables(_ make: @escaping @Sendable (Database) throws -> Void) -> Self {
        changed { $0.prepare.append({ context in try make(try database(of: context)) }) }
    }
}

extension InMemoryRun {
    /// What the stages wrote to the database of a run in memory.
    ///
    /// - Throws: ``LeatError/Code/refused`` when no stage of the pipeline sees a database.
    public func reading<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws -> T {
        guard let store = store as? SQLiteStore else {
            throw LeatError(.refused, "No stage of this pipeline sees a database, so there is none to read.")
        }
        return try await store.reading(body)
    }
}

private func database(of context: any TransactionContext) throws -> Database {
    guard let context = context as? SQLiteContext else {
        throw LeatError(.refused, "This stage sees the database, so it must run on an SQLite store.")
    }
    return context.database
}
