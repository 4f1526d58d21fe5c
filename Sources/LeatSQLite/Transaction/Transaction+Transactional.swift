internal import GRDB
internal import Leat

/// Steps whose work is done inside their own transaction.
extension Transaction {
    /// Each item in a savepoint of its own: what one throws undoes that item alone, and is its failure. An error of the stage
    /// itself ends the step before that item.
    func apply(_ step: TransactionalStep) throws {
        let lease = step.lease
        let (_, queue) = try stageAndInput(lease.stage)
        // The fence comes before the user's code, and again with the verdict.
        _ = try fence(lease.id, lease.worker, queue)
        var failures: [ItemID: Outcome] = [:]
        var outputs: [Output] = []
        var begun = lease.items[...]
        items: for (index, item) in lease.items.enumerated() {
            switch try callingOut({ try step.body(SQLiteContext(database: database), item) }) {
            case .success(let made):
                outputs += made.map { output in
                    var output = output
                    output.parent = output.parent ?? item.id
                    return output
                }
            case .failure(let error) where error is StageError:
                // Without anything settled the step would be taken for progress.
                if index == 0 { throw error }
                begun = lease.items[..<index]
                break items
            case .failure(let error): failures[item.id] = .failed(step.failure(UsersError.thrown(error)))
            }
        }
        if failures.isEmpty, begun.count == lease.items.count {
            return try apply(Step(.done, of: lease, outputs: outputs))
        }
        for item in begun where failures[item.id] == nil { failures[item.id] = .done }
        try apply(Step(.each(failures), of: lease, outputs: outputs))
    }

    /// The same for a whole input: `body` runs after the fence and before the acknowledgement.
    func apply(_ step: Step, body: () throws -> [Output]) throws {
        let (_, queue) = try stageAndInput(step.stage)
        _ = try fence(step.lease, step.worker, queue)
        var step = step
        step.outputs += try callingOut(body).get()
        try apply(step)
    }
}
