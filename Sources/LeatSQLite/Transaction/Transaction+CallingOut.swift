internal import CLeatSQLite
internal import GRDB
internal import Leat

/// Calling a user's function inside the transaction.
extension Transaction {
    /// Calls a user's function, which may write but neither commit nor undo this transaction: it runs in a savepoint
    /// that must still be there afterwards, and SQLite asks ``CommitGuard`` before each commit.
    ///
    /// - Returns: what the function gave, or what it threw, when all that it wrote has been undone, and nothing else. An
    ///   error of another database than this is ``UsersError``.
    /// - Throws: ``LeatError/Code/stepRefused`` when the transaction that it was called in is no more, and errors of
    ///   the store that are not the function's.
    func callingOut<T>(_ body: () throws -> T) throws -> Result<T, any Error> {
        try sql(Self.savepointQuery).run()
        sql.failure = nil
        let result = Result { try sql.commitGuard.callingOut(body) }
        sql.rowless.removeAll(keepingCapacity: true)
        var cause: (any Error)?
        if case .failure(let error) = result {
            // FULL and its like have ended the transaction, or are about to.
            if let failure = sql.failure { throw failure }
            if isOfAnotherDatabase(error) {
                cause = UsersError(error: error)
            } else if isOfTheStore(error) {
                throw error
            } else {
                cause = error
            }
        }
        do {
            if cause != nil { try sql(Self.rollbackQuery).run() }
            try sql(Self.releaseQuery).run()
        } catch let error as SQLFailure where error.primaryCode == SQLITE_ERROR {
            // The savepoint went with its transaction, though the function may have begun another.
            throw LeatError(
                .stepRefused,
                "A stage's function ended the transaction that it was called in, so all of it was undone.",
                cause: cause ?? error)
        }
        return cause.map { .failure($0) } ?? result
    }

    /// Whether this connection knows nothing of the error: the function has databases of its own, and a lock on one of those
    /// is its failure, not the store's.
    ///
    /// What a connection remembers is its last error, and a function may have gone on here since. So what must not be missed
    /// (damage, a failing disk, a full one) is the store's, whosever it is.
    private func isOfAnotherDatabase(_ error: any Error) -> Bool {
        guard let error = error as? DatabaseError, sql.isInTransaction else { return false }
        switch error.resultCode {
        case .SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_IOERR, .SQLITE_FULL: return false
        default: return sqlite3_extended_errcode(sql.handle) != error.extendedResultCode.rawValue
        }
    }

    /// Errors of the database that say that it can't go on (full, busy, damaged, unreadable), rather than that an item
    /// is at fault: those come of the statement and its values. LOCKED is a conflict with a statement of the same
    /// connection, one that the function has left open.
    private func isOfTheStore(_ error: any Error) -> Bool {
        guard let error = error as? DatabaseError else { return false }
        switch error.resultCode {
        case .SQLITE_ERROR, .SQLITE_CONSTRAINT, .SQLITE_MISMATCH, .SQLITE_RANGE, .SQLITE_TOOBIG, .SQLITE_LOCKED:
            return false
        default: return true
        }
    }

    private static let savepointQuery = Query("SAVEPOINT leat_function")
    private static let releaseQuery = Query("RELEASE leat_function")
    private static let rollbackQuery = Query("ROLLBACK TO leat_function")
}

/// What a user's own code threw, on its way out of a transaction: it is not the store's to explain.
struct UsersError: Error {
    let error: any Error

    /// What was thrown, whether or not it is on its way out.
    static func thrown(_ error: any Error) -> any Error { (error as? UsersError)?.error ?? error }
}
