internal import GRDB
package import Leat

/// The store's steps without the hop to its writer's thread: for who measures what a step costs by itself.
package struct BlockingSteps {
    fileprivate let store: SQLiteStore
    fileprivate let database: Database
    fileprivate let connection: Connection
    let durability: Durability

    package func put(_ outputs: [Output]) throws -> Int { try step { try $0.put(outputs, from: nil) } }

    package func claim(_ request: ClaimRequest) throws -> Claim {
        try step { try $0.claim(request) }.read(on: connection)
    }

    package func commit(_ step: Step, next: ClaimRequest?) throws -> Claim? {
        try self.step { try $0.commit(step, next: next) }?.read(on: connection)
    }

    private func step<T>(_ work: (Transaction) throws -> T) throws -> T {
        let result = try store.transact(database, connection, store.writerQueue, surviving: durability, work)
        store.checkpointer?.workWasCommitted()
        return result
    }
}

extension SQLiteStore {
    /// Calls a function on the writer's thread, which takes steps there one after the other, each a transaction.
    package func blocking<T: Sendable>(
        surviving durability: Durability, _ body: @escaping @Sendable (BlockingSteps) throws -> T
    ) async throws -> T {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<T, any Error>) in
            writer.asyncWriteWithoutTransaction { [self] database in
                continuation.resume(
                    with: Result {
                        try body(
                            BlockingSteps(
                                store: self, database: database, connection: try statements(),
                                durability: durability))
                    })
            }
        }
    }
}
