import ArgumentParser
import Foundation
import Leat
import LeatSQLite

/// Puts items, and claims all of them or none, and waits to be killed.
struct Flight: AsyncParsableCommand {
    @Argument var database: String
    @Option var items = 1_000_000
    @Option(help: "How many items a lease holds; 0: they stay ready.") var lease = 1000

    func run() async throws {
        let store = try await SQLiteStore.open(database)
        let policy = QueuePolicy(durability: .processCrash)
        let queue: Queue<String> = try await store.queue("flight", policy: policy)
        let values = Array(repeating: Workload.payload, count: 1000)
        for _ in 0..<(items / 1000) { _ = try await queue.put(contentsOf: values) }
        var held: [QueueBatch<String>] = []
        var left = lease == 0 ? 0 : items
        while left > 0 {
            guard case .granted(let batch) = try await queue.claim(upTo: min(lease, left), for: .seconds(3600)) else {
                throw ValidationError("there was nothing to claim")
            }
            left -= batch.items.count
            held.append(batch)
        }
        FileHandle.standardOutput.write(Data("in flight: \(held.count) leases\n".utf8))
        try await Task.sleep(for: .seconds(3600))
        withExtendedLifetime(held) {}
    }
}

/// A process's first claim.
struct First: AsyncParsableCommand {
    @Argument var database: String

    func run() async throws {
        let store = try await SQLiteStore.open(database)
        let queue: Queue<String> = try await store.queue("flight")
        guard case .granted(let batch) = try await queue.claim(upTo: 100, for: .seconds(30), waiting: .seconds(60))
        else {
            throw ValidationError("nothing was granted")
        }
        print("claimed \(batch.items.count)")
    }
}
