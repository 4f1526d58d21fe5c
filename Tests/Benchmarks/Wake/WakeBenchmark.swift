import Foundation
import GRDB
import Leat
import LeatSQLite

/// How soon an item that was put is in the hands of a process that waits: `Tests/Benchmarks/wake.sh`.
///
///     leat-bench-wake take DB      waits for items, and writes down when it had each, until the queue is sealed
///     leat-bench-wake put DB N     puts N items, 20 to 40 ms apart, seals the queue and prints the times between
@main
struct WakeBenchmark {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 3 else { fatalError("usage: leat-bench-wake take|put DB [N]") }
        let store = try await SQLiteStore.open(arguments[2])
        let queue = try await store.queue("wake", of: Int.self)
        try await store.writing { db in
            try db.execute(sql: "CREATE TABLE IF NOT EXISTS pickup (item INTEGER PRIMARY KEY, at INTEGER)")
        }
        switch arguments[1] {
        case "take": try await take(queue, store)
        default: try await put(arguments.count > 3 ? Int(arguments[3]) ?? 200 : 200, queue, store)
        }
    }

    private static func take(_ queue: Queue<Int>, _ store: SQLiteStore) async throws {
        for try await item in queue.items(for: .seconds(30)) {
            let at = HostTime().instant
            try await store.writing { db in
                try db.execute(sql: "INSERT INTO pickup VALUES (?, ?)", arguments: [item.value, at])
                try item.acknowledge(in: db)
            }
        }
        try await queue.handBack()
    }

    private static func put(_ count: Int, _ queue: Queue<Int>, _ store: SQLiteStore) async throws {
        var committed: [Int: Int64] = [:]
        for number in 1...count {
            try await queue.put(number)
            committed[number] = HostTime().instant
            try await Task.sleep(for: .milliseconds(.random(in: 20...40)))
        }
        try await queue.seal()
        while try await !queue.status().isFinished { try await Task.sleep(for: .milliseconds(20)) }
        let pickups = try await store.reading { db in
            try Row.fetchAll(db, sql: "SELECT item, at FROM pickup").map { ($0["item"] as Int, $0["at"] as Int64) }
        }
        let micros = pickups.map { item, at in (at - (committed[item] ?? 0)) / 1000 }.sorted()
        guard let least = micros.first, let most = micros.last else { return print("nothing was picked up") }
        print(
            "pickup after the commit: p50 \(micros[micros.count / 2]) µs, p99 \(micros[micros.count * 99 / 100]) µs, \(least)–\(most), \(micros.count) items"
        )
    }
}
