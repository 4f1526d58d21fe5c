import FaultVFS
import FaultWorkload
import Foundation
import GRDB
import GRDBSQLite
import LeatSQLite
import LeatTesting
import Synchronization
import Testing
import Torture

extension Faults {
    /// The WAL-reset bug, forced: a writer begins the log anew between a checkpoint's look at the log's index and what the
    /// checkpoint does by it (https://sqlite.org/wal.html#walresetbug). SQLite 3.51.3, 3.50.7 and 3.44.6 mend it.
    @Suite("A log that is begun anew within a checkpoint", .timeLimit(.minutes(10)))
    struct LogResets {
        private static var isAffected: Bool {
            switch sqlite3_libversion_number() {
            case 3_051_003..., 3_050_007..<3_051_000, 3_044_006..<3_045_000: false
            default: true
            }
        }

        @Test("invariant 6: loses nothing by our rule, whatever a writer does within the checkpoint")
        func byRule() async throws {
            let trial = Trial("WAL reset, forced", ci: 10, full: 10, of: "checkpoints", hasChoices: false)
            var bad = 0
            for _ in 0..<trial.count {
                let (scene, store, writer) = try await Scene.ruled()
                // All of it is copied: a writer may begin the log anew.
                try await store.checkpoint()

                // A commit after the checkpoint's own write has it find the index changed; then comes the moment.
                let moment = Hook(FAULT_AT_INDEX_READ) { try writer.insert(2) }
                let before = Hook(FAULT_AT_CHECKPOINT_LOCK) {
                    try writer.insert(1)
                    moment.arm()
                }
                before.arm()
                try await store.checkpoint()
                #expect(try before.disarm())
                #expect(try moment.disarm())
                for value in 3...4 { try writer.insert(value) }
                try await store.checkpoint()
                for value in 5...7 { try writer.insert(value) }

                let findings = try scene.look(expecting: Array(0...7))
                #expect(findings.isEmpty, "\(findings), \(scene.database)")
                #expect(try await store.verify() == [])
                if findings.isEmpty { scene.remove() } else { bad += 1 }
            }
            try trial.finish(trial.count, finding: "\(bad) lost or corrupted something")
        }

        @Test("invariant 10: loses nothing by our rule, when another has copied all of the log before")
        func afterAnother() async throws {
            let trial = Trial(
                "WAL reset, forced on a log that is all copied", ci: 10, full: 10, of: "checkpoints", hasChoices: false)
            var bad = 0
            for _ in 0..<trial.count {
                let (scene, store, writer) = try await Scene.ruled()
                // Its connection has read the index, which another one's checkpoint then leaves behind.
                try await store.checkpoint()
                // A long log: what is written over it is shorter than what was copied of it.
                try writer.insert(1, bytes: 200_000)
                try writer.checkpoint("PASSIVE")

                // By our rule the moment does not come: what its own write has read is the index as it is.
                let moment = Hook(FAULT_AT_INDEX_READ) { try writer.insert(2) }
                moment.arm()
                try await store.checkpoint()
                let committed = try moment.disarm() ? [2] : []
                for value in 3...5 { try writer.insert(value) }
                try writer.checkpoint("TRUNCATE")

                let findings = try scene.look(expecting: [0, 1] + committed + [3, 4, 5])
                #expect(findings.isEmpty, "\(findings), \(scene.database)")
                if findings.isEmpty { scene.remove() } else { bad += 1 }
            }
            try trial.finish(trial.count, finding: "\(bad) lost or corrupted something")
        }

        @Test("control: loses commits by stock checkpoints", .enabled(if: Self.isAffected, "this SQLite has it mended"))
        func stock() throws {
            let trial = Trial("WAL reset, control", ci: 10, full: 10, of: "checkpoints", hasChoices: false)
            var bad = 0
            for _ in 0..<trial.count {
                let scene = try Scene()
                // What has read the index before the log grew finds it changed.
                let checkpointer = try scene.open()
                let writer = try scene.writer()
                try writer.checkpoint("PASSIVE")

                let moment = Hook(FAULT_AT_INDEX_READ) { try writer.insert(1) }
                moment.arm()
                try checkpointer.checkpoint("PASSIVE")
                #expect(try moment.disarm())
                for value in 2...4 { try writer.insert(value) }
                try writer.checkpoint("TRUNCATE")

                if try !scene.look(expecting: Array(0...4)).isEmpty { bad += 1 }
                scene.remove()
            }
            #expect(bad == trial.count, "the test is blind to the bug")
            try trial.finish(trial.count, finding: "loses or corrupts, as it must: \(bad)")
        }
    }
}

/// A database with a table of a stranger's, whose files the shim watches.
private struct Scene {
    private let base: FaultScene

    init() throws {
        #expect(fault_install() == 0)
        base = try FaultScene()
        fault_watch(base.database)
    }

    var database: String { base.database }

    func remove() {
        fault_watch(nil)
        base.remove()
    }

    func open() throws -> Stranger { try Stranger(database) }

    /// What a connection finds that has seen nothing yet: those that wrote answer from their own pages.
    ///
    /// - Returns: what is wrong.
    func look(expecting values: [Int]) throws -> [String] {
        do {
            let stranger = try open()
            let found = try stranger.values()
            return (found == values ? [] : ["values \(found)"]) + (try stranger.damage().filter { $0 != "ok" })
        } catch let error as DatabaseError {
            return ["\(error)"]
        }
    }

    /// A scene whose database is Leat's, and beside its store a writer who keeps no rule.
    static func ruled() async throws -> (Scene, SQLiteStore, Stranger) {
        let scene = try Scene()
        let store = try await SQLiteStore.open(scene.database)
        try await store.install(Workload.plan())
        return (scene, store, try scene.writer())
    }

    /// A connection that has filled the log with a table of its own.
    func writer() throws -> Stranger {
        let writer = try open()
        try writer.fill()
        return writer
    }
}

/// A connection that keeps none of our rules, but leaves checkpoints to the test.
private final class Stranger: Sendable {
    private let queue: DatabaseQueue

    init(_ path: String) throws {
        queue = try DatabaseQueue(path: path)
        try run("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; SELECT count(*) FROM sqlite_schema")
    }

    private func run(_ sql: String) throws { try queue.writeWithoutTransaction { try $0.execute(sql: sql) } }

    func fill() throws {
        try run(
            """
            CREATE TABLE mine (value INTEGER PRIMARY KEY, filling BLOB);
            INSERT INTO mine VALUES (0, randomblob(200000));
            """)
    }

    func insert(_ value: Int, bytes: Int = 6000) throws {
        try run("INSERT INTO mine VALUES (\(value), randomblob(\(bytes)))")
    }
    func checkpoint(_ mode: String) throws { try run("PRAGMA wal_checkpoint(\(mode))") }
    func values() throws -> [Int] {
        try queue.writeWithoutTransaction { try Int.fetchAll($0, sql: "SELECT value FROM mine ORDER BY value") }
    }
    func damage() throws -> [String] {
        try queue.writeWithoutTransaction { try String.fetchAll($0, sql: "PRAGMA integrity_check") }
    }
}

/// What is done once, at a moment of a checkpoint.
private final class Hook: Sendable {
    private let body: @Sendable () throws -> Void
    private let outcome = Mutex<Result<Void, any Error>?>(nil)

    private let moment: Int32

    init(_ moment: Int, _ body: @escaping @Sendable () throws -> Void) {
        self.moment = Int32(moment)
        self.body = body
    }

    func arm() {
        let run: @convention(c) (UnsafeMutableRawPointer?) -> Void = { pointer in
            guard let pointer else { return }
            let hook = Unmanaged<Hook>.fromOpaque(pointer).takeUnretainedValue()
            let result = Result { try hook.body() }
            hook.outcome.withLock { $0 = result }
        }
        fault_at(moment, run, Unmanaged.passUnretained(self).toOpaque())
    }

    /// - Returns: whether the moment came.
    func disarm() throws -> Bool {
        fault_at(moment, nil, nil)
        try outcome.withLock { $0 }?.get()
        return outcome.withLock { $0 != nil }
    }
}
