internal import GRDB
internal import Leat

/// The schema's files, numbered and in order, as they are embedded in the binary.
///
/// Each file has a part that is applied once and, after the line `-- @queue`, a part that is applied to every queue,
/// old and new, with its name for `{name}`; after the line `-- @own` one that is applied to queues on their own.
struct Migration: Sendable, Hashable {
    let version: Int
    let name: String
    let text: String

    /// All of them. A test holds this list against the folder.
    static let all: [Migration] = [
        Migration(version: 1, name: "V001__facts", bytes: PackageResources.V001__facts_sql)
    ]

    /// 'leat' in ASCII.
    static let applicationID: Int64 = 0x6C65_6174

    init(version: Int, name: String, bytes: [UInt8]) {
        self.version = version
        self.name = name
        text = String(decoding: bytes, as: UTF8.self)
    }

    /// FNV-1a of the file: it tells that a file was altered, not by whom.
    var checksum: String {
        var hash = FNV1a()
        hash.add(text.utf8)
        return hash.text
    }

    var global: String { String(text[..<(text.firstRange(of: Self.mark)?.lowerBound ?? text.endIndex)]) }

    /// - Parameter isOwn: whether the queue is on its own.
    func perQueue(_ queue: QueueName, isOwn: Bool) -> String {
        guard let mark = text.firstRange(of: Self.mark) else { return "" }
        let ownMark = text.firstRange(of: Self.ownMark)
        let every = text[mark.upperBound..<(ownMark?.lowerBound ?? text.endIndex)]
        let own = isOwn ? ownMark.map { text[$0.upperBound...] } ?? "" : ""
        return Query(String(every + own)).text(for: queue)
    }

    private static let mark = "-- @queue\n"
    private static let ownMark = "-- @own\n"

    /// Looks at a file before anything of it is changed, the journal's mode included.
    ///
    /// - Parameter creating: whether a database that is nobody's yet may become ours; users' own tables may share it.
    /// - Throws: ``LeatError/Code/foreignFile``.
    static func refuseForeign(_ path: String, shownAs name: String, creating: Bool, deadline: Duration) throws {
        let queue = try Role.openToLook(path, deadline: deadline)
        // One snapshot: another process may be making it ours just now.
        try queue.read { database in
            let id = try Int64.fetchOne(database, sql: "PRAGMA application_id") ?? 0
            let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
            if id == applicationID { return }
            guard id == 0, version == 0 else {
                throw LeatError(
                    .foreignFile,
                    "'\(printable(name))' is another program's database (application id \(id), version \(version)); give another path."
                )
            }
            guard creating else {
                throw LeatError(
                    .foreignFile,
                    "'\(printable(name))' holds no pipeline: it is an SQLite database, but none that Leat made; check the path."
                )
            }
            try refuseReservedNames(in: database, name)
        }
    }

    /// A file that is to be shared with a user's own tables must not have any with our names.
    private static func refuseReservedNames(in database: Database, _ name: String) throws {
        let taken = try String.fetchOne(
            database,
            sql: """
                SELECT name FROM sqlite_schema
                WHERE name LIKE 'leat\\_%' ESCAPE '\\' OR name LIKE 'q\\_%' ESCAPE '\\'
                    OR name LIKE 'qs\\_%' ESCAPE '\\' OR name LIKE 'items\\_%' ESCAPE '\\'
                """)
        guard let taken else { return }
        throw LeatError(
            .foreignFile,
            "'\(printable(name))' has a '\(printable(taken))' of its own, and names that begin with leat_, q_, qs_ and items_ are Leat's; rename it, or give another path."
        )
    }

    /// Whether a file has to be brought up to date; reads only.
    ///
    /// - Throws: ``LeatError/Code/foreignFile`` for a file that is newer than this program, or was altered.
    static func isDue(_ migrations: [Migration], for database: Database, path: String) throws -> Bool {
        try applied(migrations, in: database, path: path) < migrations.last?.version ?? 0
    }

    /// The last migration that a file has, once it is known that this program can go on from there.
    private static func applied(_ migrations: [Migration], in database: Database, path: String) throws -> Int {
        func refuse(_ message: String) -> LeatError { LeatError(.foreignFile, "'\(printable(path))' \(message)") }
        guard try Int64.fetchOne(database, sql: "PRAGMA application_id") == applicationID else { return 0 }
        let userVersion = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        let known = migrations.last?.version ?? 0
        guard userVersion <= known else {
            throw refuse(
                "was written by a newer Leat (schema \(userVersion); this program knows \(known)); update this program."
            )
        }
        guard try database.tableExists("leat_migrations") else {
            throw refuse("was altered: its table leat_migrations is missing; restore it from a copy.")
        }
        var applied = 0
        let rows = try Row.fetchAll(
            database, sql: "SELECT version, name, checksum FROM leat_migrations ORDER BY version")
        for row in rows {
            let version: Int = try row.value(at: 0)
            guard let migration = migrations.first(where: { $0.version == version }) else {
                throw refuse("has schema \(version), which this program does not know; update this program.")
            }
            guard try migration.checksum == row.value(at: 2) else {
                throw refuse(
                    "was made by another edition of schema file \(migration.name) than this program's; use the program that made it."
                )
            }
            applied = version
        }
        try refuseAltered(database, to: applied, migrations, refuse)
        return applied
    }

    /// Brings a file up to date, inside a transaction that is already begun.
    static func apply(_ migrations: [Migration], to database: Database, path: String, at now: Int64) throws {
        let applied = try applied(migrations, in: database, path: path)
        let known = migrations.last?.version ?? 0
        let queues =
            applied == 0
            ? []
            : try Row.fetchAll(
                database,
                sql: """
                    SELECT q.name, s.kind = 'queue' FROM leat_queues AS q JOIN leat_stages AS s ON s.input = q.name
                    """)
        for migration in migrations where migration.version > applied {
            try database.execute(sql: migration.global)
            for queue in queues {
                try database.execute(
                    sql: migration.perQueue(QueueName(checking: queue.value(at: 0)), isOwn: queue.value(at: 1)))
            }
            try database.execute(
                sql: "INSERT INTO leat_migrations (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)",
                arguments: [migration.version, migration.name, migration.checksum, now])
        }
        if applied < known {
            try database.execute(sql: "PRAGMA application_id = \(applicationID); PRAGMA user_version = \(known)")
        }
    }

    /// Holds the file's tables against those that the applied migrations make: a table of ours that somebody has
    /// dropped or changed would fail later, in the middle of work.
    private static func refuseAltered(
        _ database: Database, to version: Int, _ migrations: [Migration], _ refuse: (String) -> LeatError
    ) throws {
        guard version > 0 else { return }
        let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name LIKE 'leat\\_%' ESCAPE '\\'"
        let fresh = try DatabaseQueue()
        let expected = try fresh.write { blank in
            for migration in migrations where migration.version <= version {
                try blank.execute(sql: migration.global)
            }
            return try Row.fetchAll(blank, sql: sql).map {
                (try $0.value("name") as String, try $0.value("sql") as String)
            }
        }
        let found = try Dictionary(
            Row.fetchAll(database, sql: sql).map { (try $0.value("name") as String, try $0.value("sql") as String) },
            uniquingKeysWith: { first, _ in first })
        for (name, text) in expected where found[name] != text {
            throw refuse(
                "was altered: its table \(name) is \(found[name] == nil ? "missing" : "not as it was made"); restore it from a copy."
            )
        }
    }
}
