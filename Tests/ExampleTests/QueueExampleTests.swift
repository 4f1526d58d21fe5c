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

@Suite("HelloQueue")
struct HelloQueueTests {
    @Test("greets everybody once, and is as short as it says")
    func greets() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let program = FilePath(try folderOfPrograms().appending(path: "hello-queue").path)

        var outputs: [String] = []
        for arguments in [["Ada", "Grace"], [], ["Barbara"]] {
            let result = try await Subprocess.run(
                .path(program), arguments: Arguments(arguments), workingDirectory: FilePath(folder.folder.path),
                output: .string(limit: 1024), error: .string(limit: 1 << 16))
            #expect(result.terminationStatus == .exited(0), "\(result.standardError)")
            outputs.append(result.standardOutput)
        }

        #expect(outputs == ["Hello, Ada!\nHello, Grace!\n", "", "Hello, Barbara!\n"])
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let source = root.appending(path: "Examples/HelloQueue/HelloQueue.swift")
        let text = try String(contentsOf: source, encoding: .utf8)
        #expect(text.split(separator: "\n").count <= 20)
        let readme = root.appending(path: "README.md")
        #expect(try String(contentsOf: readme, encoding: .utf8).contains("```swift\n\(text)```\n"))
    }
}

@Suite("OutboxService", .timeLimit(.minutes(3)))
struct OutboxServiceTests {
    @Test("sends a letter for exactly the orders that were committed, however often it is killed")
    func killed() async throws {
        // The orders that a killed service has not read are nobody's.
        signal(SIGPIPE, SIG_IGN)
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let (database, letters) = (folder.path("orders.db"), folder.path("letters"))
        let program = FilePath(try folderOfPrograms().appending(path: "outbox-service").path)
        var taken: Set<String> = []

        for round in 1...6 {
            let orders = (1...40).map { "order-\(round)-\($0)" }
            let wanted = [3, 17, 40, 1, 29, 8][round - 1]
            var told: Set<String> = []
            let result = try await Subprocess.run(
                .path(program), arguments: [database, letters],
                input: .string(orders.map { $0 + "\n" }.joined()), output: .sequence, error: .discarded
            ) { execution in
                var count = 0
                for try await line in execution.standardOutput.strings() {
                    count += 1
                    told.insert(String(line.dropFirst("taken ".count)).trimmingCharacters(in: .newlines))
                    if count == wanted { break }
                }
                try execution.send(signal: .kill)
                return told
            }
            #expect(result.terminationStatus == .signaled(SIGKILL))
            taken.formUnion(result.closureResult)
        }
        // Once more, without an order, until nothing is left to send.
        let store = try await SQLiteStore.open(database)
        let outbox = try await store.queue("outbox", of: [UInt8].self)
        let result = try await Subprocess.run(
            .path(program), arguments: [database, letters], input: .none, output: .discarded, error: .discarded
        ) { execution in
            var mark = try await store.change(since: nil, within: .zero)
            // All may be sent already, and who has only begun to start does not know the signal yet.
            while try await !store.workers().contains(where: { $0.pid == execution.processIdentifier.value }) {
                mark = try await store.change(since: mark, within: .milliseconds(200))
            }
            while try await outbox.status().done
                < store.reading({ try Int64.fetchOne($0, sql: "SELECT count(*) FROM orders")! })
            {
                mark = try await store.change(since: mark, within: .milliseconds(200))
            }
            try execution.send(signal: .terminate)
        }

        let committed = try await store.reading { try String.fetchAll($0, sql: "SELECT number FROM orders") }
        let lines = try String(contentsOfFile: letters, encoding: .utf8).split(separator: "\n").map {
            $0.split(separator: " ")
        }
        let orderOfKey = Dictionary(lines.map { ($0[0], $0[1]) }, uniquingKeysWith: { first, _ in first })
        #expect(result.terminationStatus == .exited(0))
        #expect(taken.isSubset(of: committed))
        // Some may have been sent twice, under one key; none is missing, and none was made up.
        #expect(Set(lines.map { String($0[1]) }) == Set(committed))
        #expect(orderOfKey.count == committed.count)
        #expect(lines.allSatisfy { orderOfKey[$0[0]] == $0[1] })
        #expect(try await store.verify() == [])
    }
}
