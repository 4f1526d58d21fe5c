import Foundation
import GRDB
import Leat
import LeatSQLite
import Subprocess
import Testing

#if canImport(System)
import System
#else
import SystemPackage
#endif

/// Two workers in Swift and one in Python on one queue, each killed again and again.
@Suite("ForeignWriter", .timeLimit(.minutes(5)))
struct ForeignWriterTests {
    private static let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Examples/ForeignWriter/foreign.py").path

    /// Runs a program and kills it when so many more items have been handled by anybody, or lets it end.
    private func run(
        _ executable: Executable, _ arguments: [String], on store: SQLiteStore, killAfter count: Int?,
        input: String = ""
    ) async throws {
        let before = try await handled(store).count
        let result = try await Subprocess.run(
            executable, arguments: Arguments(arguments), input: .string(input), output: .discarded,
            error: .string(limit: 1 << 16)
        ) { execution in
            guard let count else { return }
            var mark = try await store.change(since: nil, within: .zero)
            while try await handled(store).count < before + count, try await !isFinished(store) {
                mark = try await store.change(since: mark, within: .milliseconds(200))
            }
            try execution.send(signal: .kill)
        }
        guard count == nil else { return }
        #expect(result.terminationStatus == .exited(0), "\(result.standardError)")
    }

    private func handled(_ store: SQLiteStore) async throws -> [String] {
        try await store.reading { db in try String.fetchAll(db, sql: "SELECT payload FROM handled") }
    }

    private func isFinished(_ store: SQLiteStore) async throws -> Bool {
        try await store.queues().contains { $0.queue == "jobs" && $0.isFinished }
    }

    @Test("nothing is lost and nothing handled twice, whoever of three is killed")
    func killed() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let path = folder.path("jobs.db")
        let store = try await SQLiteStore.open(path)
        let jobs = try await store.queue("jobs", of: String.self)
        try await store.writing { db in try db.execute(sql: "CREATE TABLE handled (payload TEXT, by TEXT)") }
        let swift = Executable.path(FilePath(try folderOfPrograms().appending(path: "foreign-writer").path))
        let python = Executable.name("python3")

        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for first in stride(from: 1, to: 401, by: 100) {
                    let lines = (first..<first + 100).map { "p\($0)\n" }.joined()
                    try await run(python, [Self.script, "put", path, "jobs"], on: store, killAfter: nil, input: lines)
                    try await jobs.put(contentsOf: (first..<first + 100).map { "s\($0)" })
                }
                try await jobs.seal()
            }
            for kills in [[17, 5, 29, 11], [7, 23, 13, 31]] {
                group.addTask {
                    for count in kills { try await run(swift, [path, "jobs"], on: store, killAfter: count) }
                    try await run(swift, [path, "jobs"], on: store, killAfter: nil)
                }
            }
            group.addTask {
                for count in [19, 3, 37, 11, 5] {
                    try await run(python, [Self.script, "work", path, "jobs"], on: store, killAfter: count)
                }
                try await run(python, [Self.script, "work", path, "jobs"], on: store, killAfter: nil)
            }
            try await group.waitForAll()
        }

        let all = (1...400).flatMap { ["p\($0)", "s\($0)"] }
        #expect(try await handled(store).sorted() == all.sorted())
        #expect(try await isFinished(store))
        #expect(try await jobs.status().done == 800)
        #expect(try await store.verify() == [])
        let hands = try await store.reading { db in try String.fetchAll(db, sql: "SELECT DISTINCT by FROM handled") }
        #expect(Set(hands) == ["swift", "python"])
    }
}
