import CLeatSQLite
import Foundation
import GRDB
import Leat
import LeatTesting
import Testing

@testable import LeatSQLite

@Suite("The log that is written in few calls", .timeLimit(.minutes(1)))
struct LogFileSystemTests {
    let fixture: Fixture

    init() throws { fixture = try Fixture(inMemory: true) }

    @Test("is the writer's, and nobody else's", .enabled(if: leat_sqlite3_takes_uris() == 1))
    func writer() async throws {
        let store = try await fixture.store()

        let writers = try await store.writer.writeWithoutTransaction { try fileSystem($0) }
        let others = try await Role.heartbeat.open(fixture.path, deadline: .seconds(1)).read { try fileSystem($0) }
        #expect(writers == "leat-log-\(ordinary)")
        #expect(others == ordinary)
        #expect(LogFileSystem.name(for: ":memory:") == ":memory:")
    }

    @Test(
        "names any file",
        arguments: ["plain", "two words", "a?b=c&d", "50%", "a#b", "\u{FC}\u{1F600}", "file:x", "'\""])
    func names(name: String) throws {
        let path = fixture.folder.appending(path: name, directoryHint: .notDirectory).path

        try DatabaseQueue(path: LogFileSystem.name(for: path)).write { db in
            try db.execute(sql: "CREATE TABLE t (a)")
        }

        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.folder.path) == [name])
    }

    /// A cache of so few pages writes frames before the transaction has ended, and some of them again when it does. What a
    /// transaction that was undone has left is where another's frames come next.
    @Test(
        "invariant 6: shows each connection what was committed, and nothing else, whatever else was begun",
        arguments: [512, 4096, 65536], Walk.allCases)
    func walk(pageSize: Int, kind: Walk) throws {
        let synchronous = kind == .synced ? 2 : 1
        let held = try connection(LogFileSystem.name(for: fixture.path), pageSize, synchronous)
        let other = try connection(fixture.path, pageSize, synchronous)
        let reader = try connection(fixture.path, pageSize, synchronous)
        try held.write { db in try db.execute(sql: "CREATE TABLE t (id INTEGER PRIMARY KEY, bytes BLOB)") }
        var random = SeededGenerator(seed: UInt64(pageSize + kind.rawValue))
        var rows: [Int: Data] = [:]

        for step in 0..<400 {
            let queue = Int.random(in: 0..<4, using: &random) == 0 ? other : held
            try queue.writeWithoutTransaction { db in
                var changed = rows
                try db.execute(sql: "BEGIN IMMEDIATE")
                try change(&changed, in: db, using: &random)
                if kind == .savepoints, Bool.random(using: &random) {
                    let before = changed
                    try db.execute(sql: "SAVEPOINT inner")
                    try change(&changed, in: db, using: &random)
                    if Bool.random(using: &random) {
                        try db.execute(sql: "ROLLBACK TO inner")
                        changed = before
                    }
                    try change(&changed, in: db, using: &random)
                }
                let isKept = Int.random(in: 0..<3, using: &random) > 0
                try db.execute(sql: isKept ? "COMMIT" : "ROLLBACK")
                if isKept { rows = changed }
            }
            // Nobody looks at once: what one has left would be out of the way before another's frames.
            guard Bool.random(using: &random) || step % 50 == 0 else { continue }
            var queues = [held, other, reader]
            // By itself SQLite may lose what follows a savepoint that was undone in so small a cache (``Role``).
            if kind != .savepoints { queues.append(try copied("copy-\(step)", pageSize, synchronous)) }
            for queue in queues {
                let seen = try queue.read { db in try Row.fetchAll(db, sql: "SELECT id, bytes FROM t").map(Self.pair) }
                guard seen.count == rows.count, Dictionary(seen, uniquingKeysWith: { first, _ in first }) == rows else {
                    return #expect(Bool(false), "step \(step): \(seen.count) rows, not \(rows.count), or others")
                }
            }
            if step % 50 == 0 {
                let kind = ["PASSIVE", "RESTART", "TRUNCATE"][step / 50 % 3]
                try other.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA wal_checkpoint(\(kind))") }
            }
        }

        #expect(try reader.read { db in try String.fetchAll(db, sql: "PRAGMA integrity_check") } == ["ok"])
        #expect(rows.count > 10)
    }

    /// Only the sync of a longer file waits for more than the file's bytes.
    @Test("reaches ahead of its frames, in zeros, where commits are synced", arguments: [1, 2])
    func ahead(synchronous: Int) throws {
        let held = try connection(LogFileSystem.name(for: fixture.path), 4096, synchronous)
        try held.write { db in try db.execute(sql: "CREATE TABLE t (id INTEGER PRIMARY KEY, bytes BLOB)") }
        var lengths: Set<Int> = []

        for _ in 1...60 {
            try held.write { db in try db.execute(sql: "INSERT INTO t (bytes) VALUES (zeroblob(3000))") }
            let log = try Data(contentsOf: URL(filePath: fixture.path + "-wal"))
            lengths.insert(log.count)
            let rest = log.dropFirst(try endOfFrames(in: log, pageSize: 4096))
            #expect(rest.allSatisfy { $0 == 0 })
            if synchronous == 1 { #expect(rest.isEmpty) }
        }

        #expect(synchronous == 1 ? lengths.count == 60 : lengths.count < 15)
        // Copying the log syncs it too, and others may write into it meanwhile.
        try held.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA wal_checkpoint(PASSIVE)") }
        #expect(lengths.contains(try Data(contentsOf: URL(filePath: fixture.path + "-wal")).count))
        #expect(
            try copied("copy", 4096, synchronous).read { db in try Int.fetchOne(db, sql: "SELECT count(*) FROM t") }
                == 60)
    }

    /// In exclusive mode no lock tells that a transaction is over.
    @Test("invariant 6: leaves nothing behind for when it is not alone with the file any more")
    func exclusive() throws {
        let held = try connection(LogFileSystem.name(for: fixture.path), 4096, 2)
        func fill(_ ids: ClosedRange<Int>, in db: Database) throws {
            for id in ids { try db.execute(sql: "INSERT INTO t VALUES (?, zeroblob(3000))", arguments: [id]) }
        }
        try held.writeWithoutTransaction { db in
            try db.execute(sql: "CREATE TABLE t (id INTEGER PRIMARY KEY, bytes BLOB)")
            try fill(1...40, in: db)
            try db.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)")
        }
        // It takes the file for itself, and begins what it undoes.
        try held.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA locking_mode = EXCLUSIVE")
            _ = try Row.fetchAll(db, sql: "SELECT count(*) FROM t")
            try db.execute(sql: "BEGIN IMMEDIATE")
            try fill(100...120, in: db)
            try db.execute(sql: "ROLLBACK")
            try db.execute(sql: "PRAGMA locking_mode = NORMAL")
            _ = try Row.fetchAll(db, sql: "PRAGMA user_version")
        }

        let other = try connection(fixture.path, 4096, 2)
        try other.write { db in try db.execute(sql: "UPDATE t SET bytes = zeroblob(2999)") }
        let counts = try [held, other, try connection(fixture.path, 4096, 2)].map { queue in
            try queue.read { db in try Int.fetchOne(db, sql: "SELECT count(*) FROM t WHERE length(bytes) = 2999") }
        }

        #expect(counts == [40, 40, 40])
        #expect(try other.read { db in try String.fetchAll(db, sql: "PRAGMA integrity_check") } == ["ok"])
    }

    /// Where writing a sector may harm what else is in it, SQLite ends a transaction with parts of frames.
    @Test("invariant 6: leaves a log alone that is written by sectors", .enabled(if: leat_sqlite3_takes_uris() == 1))
    func sectors() throws {
        let held = try connection(LogFileSystem.name(for: fixture.path) + "&psow=0", 512, 2)
        let reader = try connection(fixture.path, 512, 2)
        try held.write { db in try db.execute(sql: "CREATE TABLE t (id INTEGER PRIMARY KEY, bytes BLOB)") }
        var random = SeededGenerator(seed: 1)

        for step in 0..<600 {
            try held.writeWithoutTransaction { db in
                let text = String(repeating: "x", count: Int.random(in: 0..<300, using: &random))
                try db.execute(
                    sql: "INSERT OR REPLACE INTO t VALUES (?, CAST(? AS BLOB) || zeroblob(?))",
                    arguments: [
                        Int.random(in: 0..<60, using: &random), text, Int.random(in: 0..<300, using: &random),
                    ])
            }
            let found = try reader.read { db in try String.fetchAll(db, sql: "PRAGMA integrity_check") }
            guard found == ["ok"] else { return #expect(found == ["ok"], "after step \(step)") }
        }
    }

    enum Walk: Int, CaseIterable, Sendable { case synced, unsynced, savepoints }

    /// What another process would find if this one were killed now: SQLite reads the log anew, and goes by its checksums.
    private func copied(_ name: String, _ pageSize: Int, _ synchronous: Int) throws -> DatabaseQueue {
        let path = fixture.folder.appending(path: name).path
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: fixture.path + suffix, toPath: path + suffix)
        }
        return try connection(path, pageSize, synchronous)
    }

    /// The frames of a log have the salts that its header has (https://sqlite.org/walformat.html).
    private func endOfFrames(in log: Data, pageSize: Int) throws -> Int {
        try #require(log.count > 32)
        var end = 32
        while end + 24 <= log.count, log[(end + 8)..<(end + 16)] == log[16..<24] { end += 24 + pageSize }
        return end
    }

    private static func pair(_ row: Row) -> (Int, Data) { (row["id"], row["bytes"]) }

    private func change(_ rows: inout [Int: Data], in db: Database, using random: inout SeededGenerator) throws {
        for _ in 0..<Int.random(in: 0..<20, using: &random) {
            let id = Int.random(in: 0..<60, using: &random)
            if Int.random(in: 0..<5, using: &random) == 0 {
                rows[id] = nil
                try db.execute(sql: "DELETE FROM t WHERE id = ?", arguments: [id])
            } else {
                let count = Int.random(in: 0..<3_000, using: &random)
                let bytes = Data(repeating: UInt8.random(in: 0...255, using: &random), count: count)
                rows[id] = bytes
                try db.execute(sql: "INSERT OR REPLACE INTO t VALUES (?, ?)", arguments: [id, bytes])
            }
        }
    }

    private func connection(_ name: String, _ pageSize: Int, _ synchronous: Int) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA page_size = \(pageSize)")
            try db.execute(sql: "PRAGMA journal_mode = WAL")
            try db.execute(sql: "PRAGMA wal_autocheckpoint = 0")
            try db.execute(sql: "PRAGMA synchronous = \(synchronous)")
            try db.execute(sql: "PRAGMA cache_size = 4")
        }
        return try DatabaseQueue(path: name, configuration: configuration)
    }

    private var ordinary: String { String(cString: sqlite3_vfs_find(nil).pointee.zName) }

    private func fileSystem(_ db: Database) throws -> String? {
        var vfs: UnsafeMutablePointer<sqlite3_vfs>?
        sqlite3_file_control(db.sqliteConnection, "main", SQLITE_FCNTL_VFS_POINTER, &vfs)
        return vfs.map { String(cString: $0.pointee.zName) }
    }
}
