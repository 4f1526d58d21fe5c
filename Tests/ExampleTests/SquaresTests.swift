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

    @Test("is the program that the README shows")
    func readme() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        let program = try String(
            contentsOf: root.appending(path: "Examples/Squares/Squares.swift"), encoding: .utf8)

        #expect(readme.contains("```swift\n\(program)```\n"))
    }
}
