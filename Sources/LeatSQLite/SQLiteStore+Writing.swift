internal import CLeatSQLite
internal import Dispatch
internal import GRDB
internal import Leat
internal import Synchronization

// How steps become transactions.
extension SQLiteStore {
    /// One step: `BEGIN IMMEDIATE`, the work, `COMMIT`.
    ///
    /// It is taken on the writer's thread, one hop whatever the batch, and together with the others that wait there. When
    /// steps take so short a time of late that the hop would cost more, it is taken at once, on the caller's thread.
    ///
    /// It does not end early when the task is cancelled: GRDB's own `write` would interrupt the statement.
    ///
    /// - Parameters:
    ///   - sharing: whether it may be committed together with others.
    ///   - work: may be called again, if it shares.
    ///   - then: what is left to do when it is committed, while others may write.
    func write<Result: Sendable, Answer: Sendable>(
        countingAsWork isWork: Bool = false, sharing: PendingStep.Sharing = .alone,
        surviving durability: Durability = .powerCut, _ work: @escaping @Sendable (Transaction) throws -> Result,
        then: @escaping @Sendable (Result, Connection) throws -> Answer
    ) async throws -> Answer {
        // What is in memory has one connection for all, which may be at a user's question.
        let isMine = sharing == .allowed && file != nil && steps.takeAlone()
        if isMine, let answer = try writeAtOnce(countingAsWork: isWork, surviving: durability, work, then) {
            return answer
        }
        return try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Answer, any Error>) in
            let step = AnsweredStep(
                durability: durability, isWork: isWork, sharing: sharing, work: work,
                then: { [self] in try reading($0, on: $1, then) }, waiting: continuation)
            if isMine {
                // Others write for longer than this thread may wait.
                steps.putBack([step])
                answer(.onThread)
            } else {
                answer(steps.add(step))
            }
        }
    }

    func write<Answer: Sendable>(
        countingAsWork isWork: Bool = false, sharing: PendingStep.Sharing = .alone,
        surviving durability: Durability = .powerCut, _ work: @escaping @Sendable (Transaction) throws -> Answer
    ) async throws -> Answer {
        try await write(countingAsWork: isWork, sharing: sharing, surviving: durability, work) { answer, _ in answer }
    }

    /// A step alone on the caller's thread, with the connection that is its own.
    ///
    /// - Returns: `nil` when others write for too long; the connection is still the caller's.
    private func writeAtOnce<Result, Answer>(
        countingAsWork isWork: Bool, surviving durability: Durability, _ work: (Transaction) throws -> Result,
        _ then: (Result, Connection) throws -> Answer
    ) throws -> Answer? {
        let begin = ContinuousClock.now
        var isOver = true
        defer {
            if isOver {
                steps.willAnswer(1)
                answer(steps.release(after: .now - begin))
            }
        }
        return try writer.writeWithoutTransaction { database in
            let connection = try statements()
            guard let result = try transactSoon(database, connection, surviving: durability, work) else {
                isOver = false
                return nil
            }
            if isWork { checkpointer?.workWasCommitted() }
            return try reading(result, on: connection, then)
        }
    }

    /// What reads after a commit fails as anything on the connection does.
    private func reading<Result, Answer>(
        _ result: Result, on connection: Connection, _ then: (Result, Connection) throws -> Answer
    ) throws -> Answer {
        do {
            return try then(result, connection)
        } catch {
            throw noted(leatError(error, path: name, on: connection.handle))
        }
    }

    /// Says that who asks for a step has nothing else to do meanwhile, nor has anybody who would want his thread: handing the
    /// step over to another thread, and its answer back, may take as long as the step itself.
    package func mayHoldUpCallers(for time: Duration) { steps.short = time }

    /// Does what the queue of steps asks for.
    ///
    /// - Parameter isOnConnection: whether the caller is on the connection's queue, which is not entered twice.
    func answer(_ call: StepQueue.Call, isOnConnection: Bool = false) {
        switch call {
        case .none: break
        case .here where file != nil && !isOnConnection:
            writer.writeWithoutTransaction { takeSteps($0, soon: true) }
        case .here, .onThread: writer.asyncWriteWithoutTransaction { [self] in takeSteps($0, soon: false) }
        case .later(let time):
            steps.timer.asyncAfter(deadline: .now() + time.seconds) { [self] in answer(steps.lookAgain()) }
        }
    }

    /// Takes steps that wait, as many as may be committed together.
    ///
    /// - Parameter soon: whether it is a thread that may not wait for long.
    private func takeSteps(_ database: Database, soon: Bool) {
        var soon = soon
        // The next that are there already are taken at once, since to hand them over costs more; but it may be a thread that
        // others need too.
        for round in 1... {
            guard let call = takeGroup(database, soon: soon) else { return }
            guard call == .here, file != nil, round < Self.mostGroups else {
                return answer(call, isOnConnection: true)
            }
            soon = true
        }
    }

    /// - Returns: what is to be done next; `nil`: somebody else does it.
    private func takeGroup(_ database: Database, soon: Bool) -> StepQueue.Call? {
        let begin = ContinuousClock.now
        let group = steps.group()
        let isShared = group.first?.isShareable ?? false
        do {
            let connection = try statements()
            guard let count = try commit(group, database, soon: soon) else {
                steps.putBack(group)
                return .onThread
            }
            steps.putBack(group[count...])
            if group[..<count].contains(where: \.isWork) { checkpointer?.workWasCommitted() }
            if isShared { steps.willAnswer(count) }
            for step in group[..<count] { step.answer(on: connection) }
            return steps.release(after: isShared ? .now - begin : nil)
        } catch is Undone where group.count > 1 {
            // One has failed, or the disk had no room for all of them: each is taken by itself.
            writer.asyncWriteWithoutTransaction { [self] in takeSingly(group, $0) }
            return nil
        } catch {
            // None was undone for another's sake.
            if isShared { steps.willAnswer(group.count) }
            for step in group { step.fail((error as? Undone)?.error ?? error) }
            return steps.release(after: isShared ? .now - begin : nil)
        }
    }

    private func takeSingly(_ group: [PendingStep], _ database: Database) {
        for step in group {
            do {
                _ = try commit([step], database, soon: false)
                if step.isWork { checkpointer?.workWasCommitted() }
                step.answer(on: try statements())
            } catch {
                step.fail((error as? Undone)?.error ?? error)
            }
        }
        answer(steps.release(after: nil), isOnConnection: true)
    }

    /// Why a transaction that had been begun was undone.
    private struct Undone: Error {
        let error: any Error
    }

    /// - Returns: how many were committed, together: others are not to wait for long. `nil`: others write for too long.
    private func commit(_ group: [PendingStep], _ database: Database, soon: Bool) throws -> Int? {
        var hasBegun = false
        var taken = 0
        let work: (Transaction) throws -> Void = { transaction in
            hasBegun = true
            for step in group {
                if taken > 0, transaction.time.instant - transaction.began > Self.longestGroup { break }
                try step.run(in: taken == 0 ? transaction : transaction.later())
                taken += 1
            }
        }
        let durability = group.contains { $0.durability == .powerCut } ? Durability.powerCut : .processCrash
        let isUsers = group.contains { $0.sharing == .users }
        let connection = try statements()
        do {
            if !soon {
                try transact(database, connection, writerQueue, isUsers: isUsers, surviving: durability, work)
            } else if try transactSoon(database, connection, surviving: durability, work) == nil {
                return nil
            }
        } catch {
            throw hasBegun ? Undone(error: error) : error
        }
        return taken
    }

    /// How many transactions a thread makes of what others want.
    private static let mostGroups = 3

    /// How long a transaction may take up further steps, in nanoseconds.
    private static let longestGroup: Int64 = 10_000_000

    /// The writer's connection. On its queue only.
    func statements() throws -> Connection {
        guard let writerStatements else {
            throw LeatError(.storeFailed, "The store was used after it was closed.")
        }
        return writerStatements
    }

    /// One transaction, when its turn has come. Blocks.
    ///
    /// - Parameters:
    ///   - isUsers: whether a user's code may have asked GRDB to be told of the commit.
    ///   - durability: what the commit is to survive; `nil`: what the connection was opened for.
    @discardableResult
    func transact<T>(
        _ database: Database, _ connection: Connection, _ queue: WriterQueue?, isUsers: Bool = false,
        surviving durability: Durability? = nil,
        _ work: (Transaction) throws -> T
    ) throws -> T {
        defer { queue?.leave() }
        let result = try transact(database, connection, isUsers: isUsers, surviving: durability) {
            let end = ContinuousClock.now + deadline
            var hasBegun = false
            let entry = try queue?.enter(within: deadline) {
                hasBegun = try BusyHandler.begin(on: connection, deadline: deadline)
                return hasBegun
            }
            if entry == .late { throw SQLFailure(code: SQLITE_BUSY, message: "the writers' queue did not move") }
            if !hasBegun { try BusyHandler.begin(on: connection, deadline: deadline, until: end) }
            return true
        } work: {
            try work($0)
        }
        guard let result else { throw LeatError(.storeFailed, "A transaction was not begun.") }
        return result
    }

    /// One transaction, unless others write for longer than a thread of the pool may wait.
    private func transactSoon<T>(
        _ database: Database, _ connection: Connection, surviving durability: Durability,
        _ work: (Transaction) throws -> T
    ) throws -> T? {
        guard let writerQueue else { return nil }
        defer { writerQueue.leave() }
        return try transact(database, connection, surviving: durability) {
            var hasBegun = false
            let entry = try writerQueue.enter(within: steps.short) {
                hasBegun = try BusyHandler.begin(on: connection, deadline: deadline)
                return hasBegun
            }
            if entry == .turn { hasBegun = try BusyHandler.begin(on: connection, deadline: deadline) }
            return hasBegun
        } work: {
            try work($0)
        }
    }

    /// The transaction itself.
    ///
    /// - Parameter begin: takes SQLite's write lock; whether it has.
    /// - Returns: `nil` when it has not.
    private func transact<T>(
        _ database: Database, _ connection: Connection, isUsers: Bool = false, surviving durability: Durability?,
        begin: () throws -> Bool, work: (Transaction) throws -> T
    ) throws -> T? {
        try damage.check()
        let changesBefore = connection.totalChanges
        do {
            try durability.map(connection.sync)
            guard try begin() else { return nil }
        } catch {
            throw noted(leatError(error, path: name, holder: file?.writerProcess, on: connection.handle))
        }
        // The time is taken under the lock: a step that waited for it must not judge leases by an older clock.
        let transaction = Transaction(store: self, database: database, sql: connection)
        connection.rowless.removeAll(keepingCapacity: true)
        do {
            try transaction.forgetChangedPlan()
            let result = try work(transaction)
            try transaction.lengthenLeases()
            isUsers ? try database.commit() : try connection.commit()
            if connection.totalChanges != changesBefore { shared.withLock { $0.commits += 1 } }
            ring(connection.rings.take())
            return result
        } catch {
            _ = connection.rings.take()
            // FULL, IOERR and INTERRUPT may have rolled it back already (https://sqlite.org/lang_transaction.html).
            let told =
                (error as? UsersError)?.error ?? noted(leatError(error, path: name, on: connection.handle))
            if connection.isInTransaction { isUsers ? try database.rollback() : try connection.execute("ROLLBACK") }
            lengthenLeases(after: transaction)
            throw told
        }
    }

    /// An error of a write; one that must stop all writes does.
    func noted(_ error: any Error) -> any Error {
        damage.note(error)
        return error
    }

    /// What was undone held the lock as long: the leases are lengthened in a transaction of their own, while this
    /// process's turn to write lasts.
    private func lengthenLeases(after transaction: Transaction) {
        guard transaction.wasLong, (try? damage.check()) != nil else { return }
        do {
            try transaction.sql.begin()
            try transaction.lengthenLeases()
            try transaction.sql.commit()
        } catch {
            // The error of the step is the one to tell. Without this, a live worker may be taken for silent: its
            // items are handed to another, and its own step is refused.
            if transaction.sql.isInTransaction { sqlite3_exec(transaction.sql.handle, "ROLLBACK", nil, nil, nil) }
        }
    }
}
