import Foundation
import FuzzTargets
import GRDB
import LeatTesting
import Testing
import Torture

/// Files that are sound to SQLite, with values in Leat's tables that Leat never writes.
@Suite("Tampered values")
struct TamperedValueTests {
    private let folder = URL(filePath: FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : "/tmp")
        .appending(path: "leat-tampered-\(UUID().uuidString)")

    /// As SQL has them. Sums and differences of the numbers overflow.
    private static let values = [
        "9223372036854775807", "-9223372036854775808", "-1", "0", "4294967296", "NULL", "'x'", "''", "x'FF'", "1.5e300",
        "'{}'", "'[]'",
    ]

    @Test("in any column are answered or refused with an error of Leat's, and never end the process")
    func tampered() async throws {
        let trial = Trial("tampered values", ci: 150, full: 5_000, of: "values")
        defer { try? FileManager.default.removeItem(at: folder) }
        let honest = try await HostileFile.honest(in: folder.appending(path: "honest"))
        var random = trial.generator
        let columns = try columns(of: honest)
        var refused = 0

        for number in 1...trial.count {
            let (table, column) = columns[Int.random(in: 0..<columns.count, using: &random)]
            let value = Self.values[Int.random(in: 0..<Self.values.count, using: &random)]
            guard let file = try tampered(honest, table, column, value) else { continue }
            let start = ContinuousClock.now
            let outcome = await file.tried(in: folder.appending(path: "x"))
            if outcome != .answered { refused += 1 }
            if case .other(let what) = outcome {
                Issue.record("\(table).\(column) = \(value) (\(number) of seed \(trial.seed)): \(what)")
            }
            #expect(ContinuousClock.now - start < Trial.soon, "\(table).\(column) = \(value), seed \(trial.seed)")
        }

        #expect(refused > 0)
        try trial.finish(trial.count, finding: "\(refused) refused, the others answered")
    }

    @Test("that are the largest and the smallest numbers end no process", arguments: ["qs_raw", "leat_leases"])
    func overflows(table: String) async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let honest = try await HostileFile.honest(in: folder.appending(path: "honest"))
        var tried = 0

        for (_, column) in try columns(of: honest).filter({ $0.0 == table }) {
            for value in Self.values.prefix(2) {
                guard let file = try tampered(honest, table, column, value) else { continue }
                tried += 1
                if case .other(let what) = await file.tried(in: folder.appending(path: "x")) {
                    Issue.record("\(table).\(column) = \(value): \(what)")
                }
            }
        }

        #expect(tried > 10)
    }

    private func open<T>(_ file: HostileFile, _ body: (Database) throws -> T) throws -> (T, HostileFile) {
        let place = folder.appending(path: "tampering")
        try? FileManager.default.removeItem(at: place)
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        let path = place.appending(path: "x.db").path
        try Data(file.database).write(to: URL(filePath: path))
        if let log = file.log { try Data(log).write(to: URL(filePath: path + "-wal")) }
        let result: T
        do {
            let queue = try DatabaseQueue(path: path)
            result = try queue.writeWithoutTransaction { database in
                let result = try body(database)
                try database.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)")
                return result
            }
            try queue.close()
        }
        return (result, HostileFile(database: Array(try Data(contentsOf: URL(filePath: path))), log: nil))
    }

    private func columns(of file: HostileFile) throws -> [(String, String)] {
        try open(file) { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT m.name, c.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c
                    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'
                    """
            ).map { ($0[0], $0[1]) }
        }.0
    }

    /// - Returns: `nil` where SQLite itself refuses the value.
    private func tampered(
        _ file: HostileFile, _ table: String, _ column: String, _ value: String
    ) throws -> HostileFile? {
        try? open(file) { database in
            try database.execute(sql: "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF")
            try database.execute(sql: "UPDATE \(table) SET \(column) = \(value)")
        }.1
    }
}
