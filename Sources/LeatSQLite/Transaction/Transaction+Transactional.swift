internal import GRDB
internal import Leat

/// Steps whose work is done inside their own transaction.
extension Transaction {
    /// Each item in a savepoint of its own: what one throws undoes that item alone, and is its failure.
    func apply(_ step: TransactionalStep) throws {
        let lease = step.lease
        let (_, queue) = try stageAndInput(lease.stage)
        // The fence comes before the user's code, and again with the verdict.
        _ = try fence(lease.id, lease.worker, queue)
        var failures: [ItemID: Outcome] = [:]
        var outputs: [Output] = []
        for item in lease.items {
            try sql(Self.savepointQuery).run()
            do {
                let made = try callingOut { try step.body(SQLiteContext(database: database), item) }
                try sql(Self.releaseQuery).run()
                outputs += made.map { output in
                    var output = output
                    output.parent = output.parent ?? item.id
                    return output
                }
            } catch {
                if isOfTheStore(error) { throw error }
                do {
                    try sql(Self.rollbackQuery).run()
                    try sql(Self.releaseQuery).run()
                } catch {
                    // The savepoint went with its transaction, though the function may have begun another.
                    throw LeatError(.stepRefused, Self.endedByFunction, cause: error)
                }
                failures[item.id] = .failed(step.failure(error))
            }
        }
        guard !failures.isEmpty else { return try apply(Step(.done, of: lease, outputs: outputs)) }
        for item in lease.items where failures[item.id] == nil { failures[item.id] = .done }
        try apply(Step(.each(failures), of: lease, outputs: outputs))
    }

    /// The same for a whole input: `body` runs after the fence and before the acknowledgement.
    func apply(_ step: Step, body: () throws -> [Output]) throws {
        let (_, queue) = try stageAndInput(step.stage)
        if step.lease.rawValue != 0 { _ = try fence(step.lease, step.worker, queue) }
        var step = step
        step.outputs += try callingOut(body)
        try apply(step)
    }

    /// Errors of the database that say that it can't go on (full, busy, damaged, unreadable), rather than that an item
    /// is at fault: those come of the statement and its values.
    private func isOfTheStore(_ error: any Error) -> Bool {
        guard let error = error as? DatabaseError else { return false }
        switch error.resultCode {
        case .SQLITE_ERROR, .SQLITE_CONSTRAINT, .SQLITE_MISMATCH, .SQLITE_RANGE, .SQLITE_TOOBIG: return false
        default: return true
        }
    }

    private static let savepointQuery = Query("SAVEPOINT leat_item")
    private static let releaseQuery = Query("RELEASE leat_item")
    private static let rollbackQuery = Query("ROLLBACK TO leat_item")
}
