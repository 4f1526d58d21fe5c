import Foundation
import Leat
import LeatSQLite
import Subprocess
import Testing

#if canImport(System)
import System
#else
import SystemPackage
#endif

@Suite("Crawler", .timeLimit(.minutes(1)))
struct CrawlerTests {
    private let folder: TemporaryFolder
    private let example: String
    private var database: String { folder.path("crawl.db") }

    /// The pages of the site, and their titles.
    private static let pages = [
        "": "The valley", "leat.html": "The leat", "mills/lower.html": "The lower mill",
        "mills/middle.html": "The middle mill", "mills/upper.html": "The upper mill", "river.html": "The river",
    ]
    private static let missing = "mills/ruin.html"

    init() throws {
        folder = try TemporaryFolder()
        example = try folder.copyOfExample("Crawler")
    }

    /// Serves the site while something is done.
    ///
    /// - Parameters:
    ///   - held: the page whose first request is never answered.
    ///   - body: is given the site's address, and the paths that are asked for as they come, without their first slash.
    /// - Returns: the paths that were asked for, in order.
    private func serving(
        holding held: String? = nil,
        _ body: @escaping @Sendable (_ site: String, _ requests: AsyncStream<String>) async throws -> Void
    ) async throws -> [String] {
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "site-server.py").path
        return try await Subprocess.run(
            .name("python3"), arguments: Arguments([script, example + "/site"] + (held.map { ["/" + $0] } ?? [])),
            input: .inputWriter, output: .sequence, error: .discarded
        ) { server in
            var lines = server.standardOutput.strings().makeAsyncIterator()
            let port = try #require(await lines.next()).trimmingCharacters(in: .newlines)
            let (requests, sender) = AsyncStream.makeStream(of: String.self)
            async let done: Void = {
                defer { sender.finish() }
                try await body("http://127.0.0.1:\(port)/", requests)
                // It is told to end.
                try await server.standardInputWriter.finish()
            }()
            var asked: [String] = []
            while let line = try await lines.next() {
                asked.append(String(line.trimmingCharacters(in: .newlines).dropFirst()))
                sender.yield(asked[asked.count - 1])
            }
            try await done
            return asked
        }.closureResult
    }

    private func arguments(_ site: String) -> [String] {
        ["run", example + "/crawl.yaml", "--db", database, "--param", "site=\(site)"]
    }

    /// Each page is in the list and in the queue once, and what is not there is a dead letter.
    private func expectWhole(_ site: String) async throws {
        let list = try String(contentsOfFile: example + "/pages.txt", encoding: .utf8).split(separator: "\n")
        #expect(list.map(String.init).sorted() == Self.pages.map { "\(site)\($0)\t\($1)" }.sorted())
        let store = try await SQLiteStore.open(database, creating: false)
        let items = try await store.items(in: "page", after: nil, limit: 100)
        #expect(
            items.map(\.payload.preview).sorted()
                == (Array(Self.pages.keys) + [Self.missing]).map { site + $0 }.sorted())
        let dead = try await store.deadLetters(of: "fetch", limit: 100)
        #expect(dead.map(\.payload.preview) == [site + Self.missing])
        #expect(dead.allSatisfy { $0.attempts == 1 && $0.reason.contains("HTTP Error 404") })
        #expect(try await store.verify() == [])
    }

    @Test("fetches each page once and ends, however the pages link to each other")
    func once() async throws {
        defer { folder.remove() }

        let asked = try await serving { site, _ in
            let ending = try await run("leat", arguments(site))
            #expect(ending.status == .exited(30), "\(ending.output)\(ending.errors)")
            try await expectWhole(site)
        }

        #expect(asked.sorted() == (Array(Self.pages.keys) + [Self.missing]).sorted())
    }

    @Test("ends the same when its workers and the run are killed in the middle of a page, and it is run again")
    func killed() async throws {
        defer { folder.remove() }
        let held = "mills/middle.html"

        let asked = try await serving(holding: held) { site, requests in
            let first = try await Subprocess.run(
                .path(FilePath(try folderOfPrograms().appending(path: "leat").path)),
                arguments: Arguments(arguments(site)), input: .none, output: .discarded, error: .discarded
            ) { leat in
                for await page in requests where page == held { break }
                let store = try await SQLiteStore.open(database, creating: false)
                for worker in try await store.workers() where worker.isLive { kill(worker.pid, SIGKILL) }
                try leat.send(signal: .kill)
            }
            #expect(first.terminationStatus == .signaled(SIGKILL))
            #expect(!FileManager.default.fileExists(atPath: example + "/pages.txt"))

            let second = try await run("leat", arguments(site))
            #expect(second.status == .exited(30), "\(second.output)\(second.errors)")
            try await expectWhole(site)
        }

        #expect(Set(asked) == Set(Array(Self.pages.keys) + [Self.missing]))
        // What the two workers had in hand was asked for again, and nothing else.
        let again = Set(asked.filter { page in asked.count { $0 == page } > 1 })
        #expect(again.contains(held) && again.count <= 2)
    }
}
