internal import CLeatSQLite
internal import GRDB
internal import Leat
internal import Synchronization

// Steps that mostly find nothing to do: those of whoever waits.
extension SQLiteStore {
    /// What a step answers when it has nothing to write. It is taken in a snapshot, so that whoever waits, and looks each
    /// second by himself, takes no turn from those who write.
    ///
    /// - Returns: `nil` when it would write, or fails: then it is to be taken as a step.
    /// - Throws: ``LeatError`` when the store is damaged.
    func look<Answer: Sendable>(_ step: @escaping @Sendable (Transaction) throws -> Answer) async throws -> Answer? {
        // In memory there is but one connection.
        guard file != nil else { return nil }
        // Nobody waits for a store that will not write any more.
        try damage.check()
        guard steps.takeAlone() else {
            // Whoever takes the step tells it.
            do { return try await observe { [self] in try looked(on: $0, step) } } catch { return nil }
        }
        return try lookAtOnce(step)
    }

    /// Takes a step that mostly has nothing to write: only if it has.
    func writeIfNeeded<Answer: Sendable>(
        _ step: @escaping @Sendable (Transaction) throws -> Answer
    ) async throws -> Answer {
        if let answer = try await look(step) { return answer }
        return try await write(step)
    }

    /// On the caller's thread, with the writer's connection, which is its own.
    private func lookAtOnce<Answer>(_ step: (Transaction) throws -> Answer) throws -> Answer? {
        defer { answer(steps.release(after: nil)) }
        return try writer.writeWithoutTransaction { _ in try looked(on: statements(), step) }
    }

    private func looked<Answer>(on connection: Connection, _ step: (Transaction) throws -> Answer) throws -> Answer? {
        let isWriters = !connection.isInTransaction
        defer {
            connection.isLooking = false
            _ = connection.rings.take()
            if isWriters, connection.isInTransaction { sqlite3_exec(connection.handle, "COMMIT", nil, nil, nil) }
        }
        connection.rowless.removeAll(keepingCapacity: true)
        do {
            if isWriters { try connection.execute("BEGIN") }
            connection.isLooking = true
            let transaction = Transaction(store: self, database: connection.database, sql: connection)
            // What others have changed is read by the step: the plan is shared, and a snapshot may be older than it.
            guard try transaction.knowsPlan() else { return nil }
            return try step(transaction)
        } catch is WouldWrite {
            return nil
        } catch {
            // Whoever takes the step tells it.
            _ = noted(leatError(error, path: name, on: connection.handle))
            return nil
        }
    }

    /// What a claim is likely to find.
    struct Outlook {
        let queue: QueueName
        /// How often the queue's bell has been rung.
        let rings: UInt32
        /// Nobody has rung since nothing was left to claim.
        let isQuiet: Bool
    }

    /// - Returns: `nil` where nothing is known: the plan has not been read, or there is no bell.
    func outlook(for stage: StageName) -> Outlook? {
        guard let queue = shared.withLock({ $0.plan?.stage(stage)?.input }),
            let rings = doorbell(for: .work(in: queue))?.rings
        else { return nil }
        return Outlook(queue: queue, rings: rings, isQuiet: shared.withLock { $0.quiet[queue] } == rings)
    }

    /// Remembers what a claim has left.
    func note(_ claimed: Claimed, after outlook: Outlook?) {
        guard let outlook else { return }
        shared.withLock { $0.quiet[outlook.queue] = claimed.isAnyLeft ? nil : outlook.rings }
    }
}
