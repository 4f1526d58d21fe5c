import Foundation
import GRDB
import Leat
import Testing

@testable import LeatSQLite

/// What the documentation shows is run, or is part of what is compiled.
@Suite("The documentation")
struct DocumentationTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private func text(_ path: String) throws -> String {
        try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
    }

    /// The blocks of a language in an article.
    private func blocks(_ language: String, in path: String) throws -> [String] {
        let parts = try text(path).components(separatedBy: "```\(language)\n")
        return parts.dropFirst().compactMap { $0.components(separatedBy: "\n```").first }
    }

    @Test("shows statements for other languages that work as they stand, one after another")
    func statements() async throws {
        let fixture = try Fixture()
        // A stranger reads the host's clock.
        let store = try await SQLiteStore.open(fixture.path)
        _ = try await store.queue("jobs", of: [UInt8].self)
        let blocks = try blocks("sql", in: "Sources/Leat/Leat.docc/SchemaReference.md")

        try fixture.bare { db in for block in blocks { try db.execute(sql: block) } }

        #expect(blocks.count >= 9)
        let items = try await store.items(in: "jobs", after: nil, limit: 9)
        #expect(items.map(\.state) == [.done, .waiting, .waiting])
        #expect(items.map(\.key) == [nil, "order-18", "order-19"])
        #expect(items[1].reason == "the printer is on fire")
        #expect(
            try await store.reading { try String.fetchAll($0, sql: "SELECT payload FROM handled") } == [
                "{\"order\":17}"
            ])
        #expect(try await store.workers().map(\.ending) == ["finished"])
        #expect(try await store.verify() == [])
    }

    @Test("names every table and view")
    func tables() async throws {
        let fixture = try Fixture()
        let store = try await fixture.linear()
        _ = try await store.queue("jobs", of: Int.self)
        let names = try await store.reading { db in
            try String.fetchAll(
                db,
                sql: """
                    SELECT name FROM sqlite_schema
                    WHERE type IN ('table', 'view') AND name NOT LIKE '%\\_raw' ESCAPE '\\'
                        AND name NOT LIKE '%\\_cooked' ESCAPE '\\' AND name NOT LIKE 'sqlite%'
                    """)
        }
        let reference = try text("Sources/Leat/Leat.docc/SchemaReference.md")

        #expect(names.count > 20)
        for name in names {
            let isNamed = [name, name.replacing("_jobs", with: "_NAME")].contains { reference.contains($0) }
            #expect(isNamed, "\(name)")
        }
    }

    @Test(
        "shows code that is compiled",
        arguments: [
            "README.md", "Sources/Leat/Leat.docc/Queues.md", "Sources/Leat/Leat.docc/WritingStages.md",
            "Sources/Leat/Leat.docc/Testing.md",
        ])
    func code(page: String) throws {
        func trimmed(_ text: String) -> String {
            text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }
        let compiled = try ["DocumentationSnippets.swift", "StageSnippets.swift"].map {
            trimmed(try text("Tests/LeatSQLiteTests/\($0)"))
        }
        // The README's programs are held against their files by the examples' tests.
        let shown = try blocks("swift", in: page).filter { !$0.contains("@main") }

        #expect(!shown.isEmpty)
        for block in shown {
            let isCompiled = compiled.contains { $0.contains(trimmed(block)) }
            #expect(isCompiled, "\(block)")
        }
    }
}
