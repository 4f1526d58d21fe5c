internal import GRDB
internal import Leat

/// Keeps a user's function from committing the transaction that it is called in: SQLite asks before each commit.
///
/// Committed early, its rows would stand without the acknowledgement of their item. Refused, the commit undoes the
/// transaction, and so the step (https://sqlite.org/c3ref/commit_hook.html).
final class CommitGuard: TransactionObserver {
    /// Whether a user's function is being called. Touched on the connection's queue only.
    private var isOut = false

    func callingOut<T>(_ body: () throws -> T) rethrows -> T {
        isOut = true
        defer { isOut = false }
        return try body()
    }

    func databaseWillCommit() throws {
        guard isOut else { return }
        throw LeatError(.stepRefused, "A stage's function may not commit the transaction that it is called in.")
    }

    func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { false }
    func databaseDidChange(with event: DatabaseEvent) {}
    func databaseDidCommit(_ database: Database) {}
    func databaseDidRollback(_ database: Database) {}
}
