import Foundation
import GRDB
import Leat
import Testing

@testable import LeatSQLite

@Suite("Opening a database")
struct OpeningTests {
    let fixture: Fixture

    init() throws { fixture = try Fixture() }

    private func expectRefusal(
        _ code: LeatError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> some Any
    ) async {
        do {
            _ = try await body()
            Issue.record("nothing was refused", sourceLocation: sourceLocation)
        } catch {
            #expect((error as? LeatError)?.code == code, sourceLocation: sourceLocation)
        }
    }

    @Test(
        "invariant 6: refuses a database that is missing or empty while its log is there, and touches neither",
        arguments: [false, true])
    func logAlone(isEmpty: Bool) async throws {
        let copy = try Fixture()
        do {
            let store = try await fixture.linear()
            try await store.fill(3)
            // As a killed process leaves them.
            try FileManager.default.copyItem(atPath: fixture.path + "-wal", toPath: copy.path + "-wal")
            if isEmpty { try Data().write(to: URL(filePath: copy.path)) }
        }
        let log = try Data(contentsOf: URL(filePath: copy.path + "-wal"))
        #expect(!log.isEmpty)

        let error = await #expect(throws: LeatError.self) { try await copy.store() }

        #expect(error?.code == .unsafePlace)
        #expect(error?.message.contains("put the database back") == true)
        #expect(try Data(contentsOf: URL(filePath: copy.path + "-wal")) == log)
        #expect(FileManager.default.fileExists(atPath: copy.path) == isEmpty)
    }

    @Test("makes the file for its owner alone, and the folder beside it")
    func modes() async throws {
        _ = try await fixture.store()

        let file = try FileManager.default.attributesOfItem(atPath: fixture.path)
        let folder = try FileManager.default.attributesOfItem(atPath: fixture.path + "-leat")
        #expect(file[.posixPermissions] as? Int == 0o600)
        #expect(folder[.posixPermissions] as? Int == 0o700)
        for log in ["-wal", "-shm"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: fixture.path + log)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
    }

    @Test(
        "has every setting on every connection, read back",
        arguments: [Role.writer, .heartbeat, .reader, .checkpointer])
    func settings(role: Role) async throws {
        _ = try await fixture.store()

        let queue = try role.open(fixture.path, deadline: .seconds(1))
        try await queue.writeWithoutTransaction { (database: Database) throws -> Void in
            #expect(try String.fetchOne(database, sql: "PRAGMA journal_mode") == "wal")
            #expect(try Int.fetchOne(database, sql: "PRAGMA wal_autocheckpoint") == 0)
            let isSynced = role != .heartbeat && role != .checkpointer
            #expect(try Int.fetchOne(database, sql: "PRAGMA synchronous") == (isSynced ? 2 : 1))
            #expect(try Int.fetchOne(database, sql: "PRAGMA secure_delete") == 0)
            #expect(try Int.fetchOne(database, sql: "PRAGMA cache_spill") == 0)
            #expect(try Int.fetchOne(database, sql: "PRAGMA trusted_schema") == 0)
            #expect(throws: DatabaseError.self) { try database.execute(sql: "SELECT \"no such column\"") }
        }
    }

    @Test("does not make a file that it was told to find")
    func missing() async throws {
        await expectRefusal(.notFound) { try await fixture.store(creating: false) }

        #expect(!FileManager.default.fileExists(atPath: fixture.path))
    }

    @Test("refuses a symbolic link and a second name")
    func links() async throws {
        _ = try await fixture.store()
        let link = fixture.folder.appending(path: "link.db").path
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: fixture.path)
        await expectRefusal(.unsafePlace) { try await SQLiteStore.open(link) }

        try FileManager.default.linkItem(atPath: fixture.path, toPath: fixture.path + ".second")
        await expectRefusal(.unsafePlace) { try await fixture.store() }
    }

    @Test(
        "knows the file systems that break the log",
        arguments: [
            0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x0102_1997, 0x6573_5546, 0x00C3_6400, 0x5346_414F, 0x6B41_4653,
            0x7375_7245, 0x0BD0_0BD0, 0x4750_4653, 0x786F_4256,
        ] as [UInt32])
    func networkFileSystems(kind: UInt32) {
        #expect(DatabaseFile.networkFileSystem(ofKind: kind) != nil)
        // ext4 and tmpfs
        #expect(DatabaseFile.networkFileSystem(ofKind: 0xEF53) == nil)
        #expect(DatabaseFile.networkFileSystem(ofKind: 0x0102_1994) == nil)
    }

    @Test("refuses another program's database and leaves it as it was")
    func foreign() async throws {
        try fixture.bare { try $0.execute(sql: "PRAGMA application_id = 1; CREATE TABLE theirs (a)") }

        await expectRefusal(.foreignFile) { try await fixture.store() }
        let tables = try fixture.bare { try String.fetchAll($0, sql: "SELECT name FROM sqlite_schema") }
        #expect(tables == ["theirs"])
    }

    @Test("leaves a database that is nobody's as it is when it is only to be looked at")
    func notOurs() async throws {
        try fixture.bare { try $0.execute(sql: "CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)") }
        let before = try Data(contentsOf: URL(filePath: fixture.path))

        await expectRefusal(.foreignFile) { try await fixture.store(creating: false) }

        #expect(try Data(contentsOf: URL(filePath: fixture.path)) == before)
        #expect(!FileManager.default.fileExists(atPath: fixture.path + "-leat"))
        // Users' own tables may share the file with a pipeline.
        _ = try await fixture.linear()
        #expect(try fixture.bare { try Int.fetchOne($0, sql: "SELECT a FROM theirs") } == 1)
    }

    @Test("refuses to share a file in which one of its names is taken", arguments: ["leat_run", "q_raw", "items_raw"])
    func reservedName(name: String) async throws {
        try fixture.bare { try $0.execute(sql: "CREATE TABLE \(name) (a)") }
        let before = try Data(contentsOf: URL(filePath: fixture.path))

        await expectRefusal(.foreignFile) { try await fixture.store() }

        #expect(try Data(contentsOf: URL(filePath: fixture.path)) == before)
        #expect(!FileManager.default.fileExists(atPath: fixture.path + "-leat"))
    }

    @Test("makes views again that are missing or were changed")
    func renewsViews() async throws {
        let views = "SELECT name, sql FROM sqlite_schema WHERE type = 'view' ORDER BY name"
        do { _ = try await fixture.linear() }
        let before = try fixture.bare { try Row.fetchAll($0, sql: views) }
        try fixture.bare {
            try $0.execute(
                sql: """
                    DROP VIEW leat_stage_status;
                    DROP VIEW leat_dead_letters;
                    CREATE VIEW leat_dead_letters AS SELECT 1 AS mine;
                    """)
        }

        let store = try await fixture.linear()

        #expect(try fixture.bare { try Row.fetchAll($0, sql: views) } == before)
        #expect(try await store.deadLetters(of: nil, limit: 1) == [])
    }

    @Test("refuses a file that is no database")
    func noDatabase() async throws {
        try Data(repeating: 65, count: 4096).write(to: URL(filePath: fixture.path))

        await expectRefusal(.foreignFile) { try await fixture.store() }
        #expect(try Data(contentsOf: URL(filePath: fixture.path)) == Data(repeating: 65, count: 4096))
    }

    @Test("refuses a file of a newer schema")
    func newer() async throws {
        _ = try await fixture.store()
        try fixture.bare { try $0.execute(sql: "PRAGMA user_version = 99") }

        await expectRefusal(.foreignFile) { try await fixture.store() }
    }

    @Test("refuses a file whose tables, or whose record of them, were altered")
    func altered() async throws {
        _ = try await fixture.store()
        try fixture.bare { try $0.execute(sql: "ALTER TABLE leat_counts ADD COLUMN mine TEXT") }
        await expectRefusal(.foreignFile) { try await fixture.store() }

        try fixture.bare { try $0.execute(sql: "ALTER TABLE leat_counts DROP COLUMN mine") }
        try fixture.bare { try $0.execute(sql: "UPDATE leat_migrations SET checksum = 'x'") }
        await expectRefusal(.foreignFile) { try await fixture.store() }
    }

    @Test("notices that the path names another file")
    func replaced() async throws {
        let store = try await fixture.linear()
        let worker = try await store.worker("change")
        #expect(try store.beat(worker) == .alive)

        try FileManager.default.moveItem(atPath: fixture.path, toPath: fixture.path + ".moved")

        #expect(try store.beat(worker) == .fileReplaced)
    }

    @Test("notices that the log was removed or replaced, which SQLite itself never does while it is open")
    func logReplaced() async throws {
        let store = try await fixture.linear()
        let worker = try await store.worker("change")
        try await store.fill(10)
        try await store.checkpoint()
        #expect(try store.beat(worker) == .alive)

        try FileManager.default.moveItem(atPath: fixture.path + "-wal", toPath: fixture.path + ".moved")
        #expect(try store.beat(worker) == .fileReplaced)
        try Data().write(to: URL(filePath: fixture.path + "-wal"))
        #expect(try store.beat(worker) == .fileReplaced)
    }

    @Test("keeps its log while another program opens and closes the file")
    func logKept() async throws {
        let store = try await fixture.linear()
        let worker = try await store.worker("change")

        _ = try fixture.bare { try Int.fetchOne($0, sql: "SELECT count(*) FROM leat_workers") }

        #expect(try store.beat(worker) == .alive)
    }

    @Test(
        "can't be made to write its own tables' definitions", arguments: [Role.writer, .heartbeat, .reader, .observer])
    func defensive(role: Role) async throws {
        _ = try await fixture.store()

        let queue = try role.open(fixture.path, deadline: .seconds(1))
        try await queue.writeWithoutTransaction { (database: Database) throws -> Void in
            try database.execute(sql: "PRAGMA writable_schema = ON")
            #expect(throws: DatabaseError.self) {
                try database.execute(sql: "UPDATE sqlite_schema SET sql = '' WHERE name = 'leat_run'")
            }
        }
    }

    @Test("refuses a folder that is a link, a directory, and a pipe, and makes nothing beside them")
    func otherKinds() async throws {
        let pipe = fixture.folder.appending(path: "pipe.db").path
        #expect(mkfifo(pipe, 0o600) == 0)
        await expectRefusal(.unsafePlace) { try await SQLiteStore.open(pipe) }
        await expectRefusal(.unsafePlace) { try await SQLiteStore.open(fixture.folder.path) }

        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.folder.path) == ["pipe.db"])
    }

    @Test("carries every file of the folder, in order, with its checksum")
    func embedded() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../migrations/sqlite")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".sql") }

        #expect(files.sorted() == Migration.all.map { "\($0.name).sql" })
        #expect(Migration.all.map(\.version) == Array(1...Migration.all.count))
        for migration in Migration.all {
            let text = try String(contentsOf: folder.appending(path: "\(migration.name).sql"), encoding: .utf8)
            #expect(migration.text == text)
        }
    }

    @Test("applies a later file once, to every queue that is there")
    func migrates() async throws {
        _ = try await fixture.linear()
        let second = Migration(
            version: 2, name: "V002__test",
            bytes: Array("CREATE TABLE leat_more (a);\n-- @queue\nALTER TABLE q_{name} ADD COLUMN extra TEXT;\n".utf8))

        for _ in 0..<2 {
            try fixture.bare { (database: Database) throws -> Void in
                try database.inTransaction {
                    try Migration.apply(Migration.all + [second], to: database, path: fixture.path, at: 0)
                    return .commit
                }
            }
        }

        try fixture.bare { (database: Database) throws -> Void in
            #expect(try database.columns(in: "q_raw").contains { $0.name == "extra" })
            #expect(try database.columns(in: "q_cooked").contains { $0.name == "extra" })
            #expect(try Int.fetchOne(database, sql: "PRAGMA user_version") == 2)
        }
        await expectRefusal(.foreignFile) { try await fixture.store() }
    }
}
