import Foundation
import GRDB
import LeatSQLite
import Subprocess
import Testing

@Suite("Squares")
struct SquaresTests {
    @Test("runs as processes, and again without doing anything twice")
    func runs() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let database = folder.path("squares.db")

        let first = try await run("squares", ["run", "--db", database])
        let second = try await run("squares", ["run", "--db", database])

        #expect(first.status == .exited(0), "\(first.output)\(first.errors)")
        #expect(second.status == .exited(0), "\(second.output)\(second.errors)")
        let store = try await SQLiteStore.open(database, creating: false)
        let squares = try await store.reading { db in
            try Int.fetchAll(db, sql: "SELECT value FROM square ORDER BY value")
        }
        #expect(squares == (1...1000).map { $0 * $0 })
    }

    private func squares(in database: String) async throws -> [Int] {
        let store = try await SQLiteStore.open(database, creating: false)
        #expect(try await store.verify() == [])
        return try await store.reading { db in
            guard try db.tableExists("square") else { return [] }
            return try Int.fetchAll(db, sql: "SELECT value FROM square ORDER BY value")
        }
    }

    @Test("runs a few items first, then a part of the stages, and then the rest, and comes to the same")
    func parts() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let database = folder.path("squares.db")

        let few = try await run("squares", ["run", "--db", database, "--limit", "10"])
        #expect(few.status == .exited(0), "\(few.output)\(few.errors)")
        #expect(few.errors.contains("stopped at the limit of 10 items; run again without --limit to go on"))
        #expect(try await squares(in: database) == (1...10).map { $0 * $0 })

        let again = try await run("squares", ["run", "--db", database, "--limit", "10"])
        #expect(again.status == .exited(0), "\(again.output)\(again.errors)")

        let alone = try await run("squares", ["run", "--db", database, "--only", "store"])
        #expect(alone.status == .exited(20), "\(alone.output)\(alone.errors)")
        #expect(alone.errors.contains("what is left of store waits for what was not run (count, square)"))

        let until = try await run("squares", ["run", "--db", database, "--until", "square"])
        #expect(until.status == .exited(0), "\(until.output)\(until.errors)")
        #expect(until.errors.contains("not run: store; the same command without --until goes on with that"))
        #expect(try await squares(in: database).count == 10)

        let rest = try await run("squares", ["run", "--db", database, "--from", "store"])
        #expect(rest.status == .exited(0), "\(rest.output)\(rest.errors)")
        #expect(try await squares(in: database) == (1...1000).map { $0 * $0 })
    }

    @Test("is the program that is shown", arguments: ["README.md", "Sources/Leat/Leat.docc/GettingStarted.md"])
    func shown(page: String) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: page), encoding: .utf8)
        let program = try String(
            contentsOf: root.appending(path: "Examples/Squares/Squares.swift"), encoding: .utf8)

        #expect(text.contains("```swift\n\(program)```\n"))
    }
}
