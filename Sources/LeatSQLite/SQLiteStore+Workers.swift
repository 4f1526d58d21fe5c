internal import GRDB
public import Leat
internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// Workers, and the kernel locks that die with them.
extension SQLiteStore {
    public func enroll(_ enrollment: Enrollment) async throws -> WorkerID {
        try await write { [self] transaction in
            let worker = try transaction.enroll(enrollment)
            if let file {
                // Locked before the row can be seen: whoever finds the lock free has found a dead worker.
                let lock = try FileLock.lock(path: file.workerLock(worker))
                shared.withLock { $0.workerLocks[worker] = lock }
            }
            return worker
        }
    }

    public func beat(_ worker: WorkerID) throws -> Beat {
        if let file, file.isReplaced { return .fileReplaced }
        return try onHeartbeatConnection { try $0.beat(worker) } ? .alive : .lost
    }

    public func endBlocking(_ worker: WorkerID, _ ending: WorkerEnding, culprit: ItemID?) throws {
        _ = try onHeartbeatConnection { try $0.end(worker, ending, culprit: culprit) }
    }

    public func end(_ worker: WorkerID, _ ending: WorkerEnding) async throws -> DeathAccount {
        let account = try await write { try $0.end(worker, ending) }
        forgetLock(of: worker)
        return account
    }

    private func forgetLock(of worker: WorkerID) {
        guard let file else { return }
        let lock = shared.withLock { $0.workerLocks.removeValue(forKey: worker) }
        // The row says that it has ended, so nobody asks the lock any more.
        unlink(file.workerLock(worker))
        lock?.release()
    }

    /// Runs on the heartbeat's own connection, on the caller's thread; in memory there is but one connection.
    private func onHeartbeatConnection<T>(_ work: (Transaction) throws -> T) throws -> T {
        guard let file else {
            return try writer.writeWithoutTransaction { database in
                guard let writerStatements else {
                    throw LeatError(.storeFailed, "The store was used after it was closed.")
                }
                return try transact(database, writerStatements, work)
            }
        }
        let queue = try shared.withLock { shared in
            if let heartbeat = shared.heartbeat { return heartbeat }
            let heartbeat = try Role.heartbeat.open(file.path, deadline: deadline)
            shared.heartbeat = heartbeat
            return heartbeat
        }
        return try queue.writeWithoutTransaction { database in
            let statements = try heartbeatStatements ?? Connection(database)
            heartbeatStatements = statements
            return try transact(database, statements, work)
        }
    }

    public func reap(supervisor: Int32?) async throws -> [Reaped] {
        let boot = time.bootID
        let instant = time.instant
        let candidates = try await read { database in
            try Row.fetchAll(
                database, sql: "SELECT id, stage, boot, expires_at, supervisor FROM leat_workers WHERE ended_at IS NULL"
            ).map { row in
                Candidate(
                    worker: WorkerID(row["id"] as Int64), stage: StageName(unchecked: row["stage"]),
                    isOfThisBoot: row["boot"] == boot, hasExpired: (row["expires_at"] as Int64) < instant,
                    supervisor: row["supervisor"])
            }
        }
        var reaped: [Reaped] = []
        for candidate in candidates {
            guard let ending = try ending(of: candidate, caller: supervisor) else { continue }
            let account = try await end(candidate.worker, ending)
            reaped.append(
                Reaped(worker: candidate.worker, stage: candidate.stage, ending: ending, account: account))
        }
        return reaped
    }

    private struct Candidate: Sendable {
        let worker: WorkerID
        let stage: StageName
        let isOfThisBoot: Bool
        let hasExpired: Bool
        let supervisor: Int32?
    }

    /// A free lock proves death, a held one proves nothing; then the clock decides.
    private func ending(of candidate: Candidate, caller: Int32?) throws -> WorkerEnding? {
        if !candidate.isOfThisBoot { return .rebooted }
        if let file, try FileLock.isHeld(path: file.workerLock(candidate.worker)) == false,
            access(file.workerLock(candidate.worker), F_OK) == 0
        {
            // A supervisor learns how its child died, which nobody else can: its children are left to it.
            if let supervisor = candidate.supervisor {
                if supervisor == caller { return nil }
                if try caller == nil && FileLock.isHeld(path: file.runLock) { return nil }
            }
            return .killed
        }
        return candidate.hasExpired ? .silent : nil
    }

    public func workers() async throws -> [WorkerRecord] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM leat_workers ORDER BY id").map { row in
                WorkerRecord(
                    id: WorkerID(row["id"] as Int64), stage: StageName(unchecked: row["stage"]), pid: row["pid"],
                    log: row["log"], startedAt: row["started_at"], seenAt: row["seen_at"], ending: row["ending"])
            }
        }
    }
}
