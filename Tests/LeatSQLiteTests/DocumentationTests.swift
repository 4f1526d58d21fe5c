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

    /// Without spaces and line breaks, which are the formatter's.
    private func bare(_ code: String) -> String {
        code.filter { !$0.isWhitespace }.replacing("@main", with: "").replacing("private", with: "")
    }

    private func compiled() throws -> [String] {
        try ["DocumentationSnippets", "StageSnippets", "SymbolSnippets"].map {
            bare(try text("Tests/LeatSQLiteTests/\($0).swift"))
        } + [bare(try text("Examples/Squares/Squares.swift")), bare(try text("Examples/HelloQueue/HelloQueue.swift"))]
    }

    @Test("shows code that is compiled, in the README and in every article")
    func code() throws {
        let compiled = try compiled()
        let folder = "Sources/Leat/Leat.docc"
        let articles = try FileManager.default.contentsOfDirectory(atPath: Self.root.appending(path: folder).path)
        let pages = ["README.md"] + articles.filter { $0.hasSuffix(".md") }.map { "\(folder)/\($0)" }
        let shown = try pages.flatMap { try blocks("swift", in: $0) }

        #expect(shown.count > 30)
        for block in shown {
            let isCompiled = compiled.contains { $0.contains(bare(block)) }
            #expect(isCompiled, "\(block)")
        }
    }

    @Test("shows code that is compiled, at every symbol")
    func symbols() throws {
        let compiled = try compiled()
        let sources = Self.root.appending(path: "Sources")
        let paths = try #require(FileManager.default.enumerator(atPath: sources.path)).compactMap { $0 as? String }
        var shown: [String] = []
        for path in paths where path.hasSuffix(".swift") {
            let comments = try text("Sources/\(path)").split(separator: "\n", omittingEmptySubsequences: false).map {
                line in
                let line = line.drop { $0 == " " }
                return line.hasPrefix("///") ? String(line.dropFirst(line.hasPrefix("/// ") ? 4 : 3)) : "\u{0}"
            }
            let parts = comments.joined(separator: "\n").components(separatedBy: "```swift\n")
            shown += parts.dropFirst().compactMap { $0.components(separatedBy: "\n```").first }
        }

        #expect(shown.count > 30)
        for block in shown {
            let isCompiled = compiled.contains { $0.contains(bare(block)) }
            #expect(isCompiled, "\(block)")
        }
    }
}
