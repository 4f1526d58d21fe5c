import FaultVFS
import GRDB
import LeatTesting
import Testing
import Torture

@testable import LeatSQLite

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

extension Faults {
    /// Frames that are held back are written when anything else is asked of the log, which may fail.
    @Suite("Errors of what was held back", .timeLimit(.minutes(5)))
    struct HeldFrames {
        /// A database whose log is written by Leat's file system, over the one that fails.
        private func watched(_ setting: String) throws -> (FaultScene, DatabaseQueue) {
            #expect(fault_install() == 0)
            let scene = try FaultScene()
            fault_watch(scene.database)
            let queue = try DatabaseQueue(path: LogFileSystem.name(for: scene.database))
            try queue.writeWithoutTransaction { db in
                for statement in [
                    "PRAGMA journal_mode = WAL", "PRAGMA wal_autocheckpoint = 0", setting,
                    "CREATE TABLE t (id INTEGER PRIMARY KEY, bytes BLOB CHECK (length(bytes) > 0))",
                ] { try db.execute(sql: statement) }
            }
            return (scene, queue)
        }

        /// A log that is synced is made longer than its frames: that there is no room for it costs nobody a commit.
        @Test("invariant 6: what is written ahead of the frames may fail", arguments: [ENOSPC, EIO])
        func ahead(error: Int32) throws {
            let (scene, queue) = try watched("PRAGMA synchronous = FULL")
            defer { fault_watch(nil) }
            var failures = 0

            for id in 1...20 {
                // The first write is that of the frames.
                fault_fail(UInt32(FAULT_WRITE), 2, error, 0)
                defer { fault_fail(0, 0, 0, 0) }
                try queue.write { db in try db.execute(sql: "INSERT INTO t VALUES (?, zeroblob(6000))", arguments: [id])
                }
                failures += fault_failures()
            }

            // Another connection that finds no index of the log reads the frames themselves.
            let found = try DatabaseQueue(path: scene.database).read { db in
                try Int.fetchOne(db, sql: "SELECT count(*) FROM t")
            }
            #expect(found == 20)
            #expect(failures > 3)
            scene.remove()
        }

        /// Of a transaction that is larger than the cache: SQLite takes the error for that of a statement, which it undoes
        /// alone.
        @Test("invariant 6: nothing is committed over frames that could not be written", arguments: [ENOSPC, EIO])
        func refused(error: Int32) throws {
            let (scene, queue) = try watched("PRAGMA cache_size = 6")
            defer { fault_watch(nil) }
            var failures = 0

            for nth in 1...12 {
                try queue.writeWithoutTransaction { db in
                    try db.execute(sql: "BEGIN IMMEDIATE")
                    for id in 1...14 {
                        try db.execute(sql: "INSERT INTO t VALUES (?, zeroblob(3000))", arguments: [nth * 100 + id])
                    }
                    fault_fail(UInt32(FAULT_WRITE), nth, error, 0)
                    defer {
                        failures += fault_failures()
                        fault_fail(0, 0, 0, 0)
                    }
                    do {
                        try db.execute(sql: "UPDATE t SET bytes = zeroblob(2999) || x'01'")
                        fault_fail(0, 0, 0, 0)
                        try db.execute(sql: "COMMIT")
                    } catch {
                        // Who does not know better goes on.
                        try? db.execute(sql: "INSERT INTO t VALUES (?, x'02')", arguments: [-nth])
                        try? db.execute(sql: "COMMIT")
                        try? db.execute(sql: "ROLLBACK")
                    }
                }
                let found = try DatabaseQueue(path: scene.database).read { db in
                    try String.fetchAll(db, sql: "PRAGMA integrity_check")
                }
                #expect(found == ["ok"], "the write number \(nth) failed")
            }

            #expect(failures > 3)
            scene.remove()
        }
    }
}
