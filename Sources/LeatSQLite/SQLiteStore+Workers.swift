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
        let made = Mutex<FileLock?>(nil)
        do {
            return try await write { [self] transaction in
                let worker = try transaction.enroll(enrollment)
                guard let file else { return worker }
                // Locked before the row can be seen: whoever finds the lock free has found a dead worker. It is never
                // waited for: that would be under the write lock.
                let path = file.workerLock(worker, of: try transaction.runID())
                guard let lock = try FileLock.tryLock(path: path) else {
                    throw LeatError(
                        .storeFailed,
                        "Worker \(worker) can't be enrolled: another process holds its lock \(printable(path)).")
                }
                made.withLock { $0 = lock }
                shared.withLock { $0.workerLocks[worker] = lock }
                return worker
            }
        } catch {
            // The number was taken back with the transaction, and will be another's.
            if let lock = made.withLock({ $0 }) {
                shared.withLock { shared in shared.workerLocks = shared.workerLocks.filter { $0.value !== lock } }
                lock.release()
            }
            throw error
        }
    }

    public func beat(_ worker: WorkerID) throws -> Beat {
        if let file, file.isReplaced { return .fileReplaced }
        return try onHeartbeatConnection { try $0.beat(worker) } ? .alive : .lost
    }

    public func endBlocking(_ worker: WorkerID, _ ending: WorkerEnding, culprit: ItemID?) throws {
        _ = try onHeartbeatConnection { try $0.end(worker, ending, culprit: culprit) }
    }

    @discardableResult
    public func end(_ worker: WorkerID, _ ending: WorkerEnding) async throws -> DeathAccount {
        let (account, run) = try await write { (try $0.end(worker, ending), try $0.runID()) }
        forgetLock(of: worker, run)
        return account
    }

    private func forgetLock(of worker: WorkerID, _ run: String) {
        guard let file else { return }
        let lock = shared.withLock { $0.workerLocks.removeValue(forKey: worker) }
        // The row says that it has ended, so nobody asks the lock any more.
        unlink(file.workerLock(worker, of: run))
        lock?.release()
    }

    /// Runs on the heartbeat's own connection, on the caller's thread; in memory there is but one connection.
    private func onHeartbeatConnection<T>(_ work: (Transaction) throws -> T) throws -> T {
        guard file != nil else {
            return try writer.writeWithoutTransaction { database in
                guard let writerStatements else {
                    throw LeatError(.storeFailed, "The store was used after it was closed.")
                }
                return try transact(database, writerStatements, nil, work)
            }
        }
        let queue = try connection(.heartbeat)
        return try queue.writeWithoutTransaction { database in
            let statements = try heartbeatStatements ?? Connection(database)
            heartbeatStatements = statements
            return try transact(database, statements, heartbeatQueue, work)
        }
    }

    public func reap(supervisor: Int32?) async throws -> [Reaped] {
        let boot = time.bootID
        let instant = time.instant
        let candidates = try await observe { connection in
            var candidates: [Candidate] = []
            try connection.each(
                """
                SELECT
                    w.id, w.stage, w.boot, w.expires_at, w.supervisor, w.pid,
                    EXISTS (SELECT 1 FROM leat_leases AS l WHERE l.queue = s.input AND l.worker = w.id)
                FROM leat_workers AS w LEFT JOIN leat_stages AS s ON s.name = w.stage
                WHERE w.ended_at IS NULL AND w.boot IS NOT NULL
                """
            ) { row in
                candidates.append(
                    Candidate(
                        worker: WorkerID(row.int(0)), stage: StageName(unchecked: row.text(1)),
                        isOfThisBoot: row.text(2) == boot, hasExpired: row.optionalInt(3).map { $0 < instant } ?? false,
                        supervisor: row.optionalInt(4).map { Int32(truncatingIfNeeded: $0) }, pid: row.int(5),
                        holdsLease: row.int(6) != 0))
            }
            return candidates
        }
        guard !candidates.isEmpty else {
            try await handBackExpired()
            try await endStrangers()
            return []
        }
        let run = try await runID()
        var reaped: [Reaped] = []
        for candidate in candidates {
            guard let ending = try ending(of: candidate, in: run, caller: supervisor) else { continue }
            // Of those that died together nobody knows whose item it was.
            let diedTogether = ending == .killed ? candidates.filter { $0.pid == candidate.pid && $0.holdsLease } : []
            let isAlone = diedTogether.count < 2
            // Silence is judged again under the lock: a long transaction may have given its time meanwhile.
            let found: DeathAccount? = try await write { transaction in
                // It may have ended by itself meanwhile.
                guard try transaction.isLive(candidate.worker) else { return nil }
                if ending == .silent, try !transaction.isSilent(candidate.worker) { return nil }
                return try transaction.end(candidate.worker, ending, isAlone: isAlone)
            }
            guard let account = found else { continue }
            forgetLock(of: candidate.worker, run)
            reaped.append(
                Reaped(worker: candidate.worker, stage: candidate.stage, ending: ending, account: account))
        }
        // After that: what the dead held is theirs until it is known that they died.
        try await handBackExpired()
        try await endStrangers()
        return reaped
    }

    /// Programs in other languages that hold nothing, and whose process is gone, though they have not said so.
    private func endStrangers() async throws {
        let now = time.wallClock
        let gone = try await observe { connection in
            var gone: [WorkerID] = []
            try connection.each(
                """
                SELECT id, pid FROM leat_workers AS w
                WHERE ended_at IS NULL AND boot IS NULL AND seen_at < ?1
                    AND NOT EXISTS (
                        SELECT 1 FROM leat_leases AS l
                        WHERE l.queue = (SELECT input FROM leat_stages WHERE name = w.stage) AND l.worker = w.id
                    )
                """, [.int(now - 10_000)]
            ) { row in
                let pid = Int32(truncatingIfNeeded: row.int(1))
                if pid <= 0 || (kill(pid, 0) != 0 && errno == ESRCH) { gone.append(WorkerID(row.int(0))) }
            }
            return gone
        }
        for worker in gone { _ = try await write { try $0.end(worker, .silent) } }
    }

    /// Leases that were over before somebody claimed from their queue again: those who wait learn of it.
    private func handBackExpired() async throws {
        let (boot, instant, now) = (time.bootID, time.instant, time.wallClock)
        let queues = try await observe { connection in
            var queues: [QueueName] = []
            try connection.each(
                """
                SELECT name FROM leat_queues WHERE \(Transaction.isOver)
                UNION
                SELECT queue FROM leat_leases INDEXED BY leat_leases_wall WHERE clock = 'wall' AND expires_at <= ?1
                """, [.int(now), .text(boot), .int(instant)]
            ) { queues.append(QueueName(unchecked: $0.text(0))) }
            return queues
        }
        for queue in queues { try await write { try $0.handBackExpired(queue) } }
    }

    private struct Candidate: Sendable {
        let worker: WorkerID
        let stage: StageName
        let isOfThisBoot: Bool
        let hasExpired: Bool
        let supervisor: Int32?
        let pid: Int64
        let holdsLease: Bool
    }

    /// A free lock proves death, a held one proves nothing; then the clock decides.
    private func ending(of candidate: Candidate, in run: String, caller: Int32?) throws -> WorkerEnding? {
        if !candidate.isOfThisBoot { return .rebooted }
        guard let file else { return candidate.hasExpired ? .silent : nil }
        guard try isLockFree(file.workerLock(candidate.worker, of: run)) else {
            return candidate.hasExpired ? .silent : nil
        }
        // A supervisor learns how its child died, which nobody else can: its children are left to it, for as long as
        // their lease lasts.
        if let supervisor = candidate.supervisor, !candidate.hasExpired {
            if supervisor == caller { return nil }
            if caller == nil, try FileLock.isHeld(path: file.runLock) { return nil }
        }
        return .killed
    }

    public func workers() async throws -> [WorkerRecord] {
        let now = time.wallClock
        return try await observe { [self] connection in
            let gone = Set(try gone(connection))
            var workers: [WorkerRecord] = []
            try connection.each(
                """
                SELECT id, stage, pid, log, started_at, seen_at, ending, lease_ms IS NULL OR seen_at + lease_ms > ?1
                FROM leat_workers ORDER BY id
                """, [.int(now)]
            ) { row in
                let id = WorkerID(row.int(0))
                let ending = row.optionalText(6)
                workers.append(
                    WorkerRecord(
                        id: id, stage: StageName(unchecked: row.text(1)), pid: Int32(truncatingIfNeeded: row.int(2)),
                        log: row.optionalText(3), startedAt: row.int(4), seenAt: row.int(5),
                        isLive: ending == nil && row.int(7) != 0 && !gone.contains(id), ending: ending))
            }
            return workers
        }
    }

    /// The workers that died without anyone noticing yet: their locks are free.
    func gone(_ connection: Connection) throws -> [WorkerID] {
        guard let file else { return [] }
        var workers: [WorkerID] = []
        try connection.each("SELECT id FROM leat_workers WHERE ended_at IS NULL") { row in
            workers.append(WorkerID(row.int(0)))
        }
        guard !workers.isEmpty else { return [] }
        let run = try self.run(connection)
        return try workers.filter { try isLockFree(file.workerLock($0, of: run)) }
    }

    /// Whether a worker's lock is free, which proves its death.
    func isGone(_ worker: WorkerID, in run: String) throws -> Bool {
        guard let file else { return false }
        return try isLockFree(file.workerLock(worker, of: run))
    }

    /// A lock that is free proves death; one that is held, or not there, proves nothing.
    private func isLockFree(_ path: String) throws -> Bool {
        guard access(path, F_OK) == 0 else { return false }
        return try !FileLock.isHeld(path: path)
    }
}
