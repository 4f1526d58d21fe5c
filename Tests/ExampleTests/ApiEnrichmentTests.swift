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

@Suite("ApiEnrichment", .timeLimit(.minutes(3)))
struct ApiEnrichmentTests {
    /// What the API has seen, as it tells at its end.
    private struct Seen: Decodable {
        var customers: [Int]
        /// The most keys under which one customer was asked about.
        var keys: Int
        var calls: Int
    }

    @Test("ends right against an API that throttles, fails, is slow and does not know everybody")
    func enriches() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let database = folder.path("enrichment.db")
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "score-api.py").path

        let result = try await Subprocess.run(
            .name("python3"), arguments: [script], input: .inputWriter, output: .sequence, error: .discarded
        ) { api in
            var lines = api.standardOutput.strings().makeAsyncIterator()
            let port = try #require(await lines.next()).trimmingCharacters(in: .newlines)
            let ending = try await run(
                "api-enrichment",
                [
                    "run", "--db", database, "--param", "api=http://127.0.0.1:\(port)", "--param", "customers=200",
                    "--param", "rate=100",
                ])
            // It is told to tell.
            try await api.standardInputWriter.finish()
            return (ending, try #require(await lines.next()))
        }

        let (ending, line) = result.closureResult
        #expect(ending.status == .exited(30), "\(ending.output)\(ending.errors)")
        let seen = try JSONDecoder().decode(Seen.self, from: Data(line.utf8))
        let known = (0..<200).filter { $0 % 25 != 7 }
        let store = try await SQLiteStore.open(database, creating: false)
        let scores = try await store.reading { db in
            try Row.fetchAll(db, sql: "SELECT customer, points FROM score ORDER BY customer").map {
                [$0["customer"] as Int, $0["points"] as Int]
            }
        }
        #expect(scores == known.map { [$0, $0 * 7 % 100] })
        #expect(seen.customers == known)
        #expect(seen.keys == 1)
        #expect(try await store.deadLetters(of: "ask", limit: 99).count == 8)
        // Throttled items spend no attempt, failed ones do.
        let attempts = try await store.attempts(of: "ask", item: nil, limit: 999)
        #expect(!attempts.contains { $0.error.contains("429") })
        #expect(attempts.count { $0.error.contains("500") } == 40)
        #expect(seen.calls >= 200 + 20 + 40)
        #expect(try await store.verify() == [])
    }
}
