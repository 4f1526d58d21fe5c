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
