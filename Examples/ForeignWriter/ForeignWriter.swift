import GRDB
import Leat
import LeatSQLite

/// The worker in Swift that `foreign.py` works beside, on one queue: `foreign-writer DB QUEUE`.
@main
struct ForeignWriter {
    static func main() async throws {
        let store = try await SQLiteStore.open(CommandLine.arguments[1])
        let jobs = try await store.queue(QueueName(checking: CommandLine.arguments[2]), of: String.self)
        try await store.writing { db in
            try db.execute(sql: "CREATE TABLE IF NOT EXISTS handled (payload TEXT, by TEXT)")
        }
        for try await job in jobs.items(for: .seconds(5)) {
            do {
                // What is done for the item, and that it is done, commit together.
                try await store.writing { db in
                    try db.execute(sql: "INSERT INTO handled VALUES (?, 'swift')", arguments: [job.value])
                    try job.acknowledge(in: db)
                }
            } catch let error as LeatError where error.code == .leaseLost {
                print("item \(job.id) came too late, and is another's: nothing was done")
            }
        }
        try await jobs.handBack()
    }
}
