import Foundation
import GRDB
import Leat
import LeatCLI
import LeatSQLite

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The pipeline that the crash tests kill: two shards, three workers in the middle, rows loaded into the same database,
/// and a sum over them.
///
/// Its environment says what it does wrong: `CRASH_POISON` names how the item 77 ends its worker, `CRASH_ITEMS` how
/// many items there are, `CRASH_PAUSE` how many microseconds each takes, `CRASH_BROKEN` that every item fails.
/// `CRASH_WINDOWS` has the stage in the middle take its input as a sequence and answer three items at once, between
/// bounded queues that keep nothing. `CRASH_POISONS` lists kinds of poison, one of which every tenth item is; `CRASH_BATCH`
/// and `CRASH_TIMEOUT` (seconds) are the middle stage's. `CRASH_TICKS` has it put one item every 20 ms instead, up to that second since 1970.
struct CrashProgram: PipelineProgram {
    static var pipeline: Pipeline {
        get throws {
            if let end = number("CRASH_TICKS") { return try ticks(until: Date(timeIntervalSince1970: Double(end))) }
            let count = number("CRASH_ITEMS") ?? 1000
            return try Pipeline("crash") {
                Producer("make", to: "raw", shards: ["odd", "even"]) { (shard: ShardName, cursor: Int?) in
                    let first = cursor.map { $0 + 2 } ?? (shard == "odd" ? 1 : 2)
                    return stride(from: first, through: count, by: 2).lazy.map { value in
                        pause()
                        return Sourced(value, cursor: value)
                    }
                }
                .workers(2)
                .batch(20)
                if environment("CRASH_WINDOWS") != nil {
                    middle(Transformer("change", from: "raw", to: "cooked", stream: windows)).capacity(60).keep(.failed)
                } else {
                    middle(
                        Transformer("change", from: "raw", to: "cooked") { (value: Int) throws -> Int in
                            try change(value)
                        })
                }
                Consumer(
                    "keep", from: "cooked",
                    database: { (database: Database, value: Int) in
                        pause()
                        try database.execute(sql: "INSERT INTO kept (value) VALUES (?)", arguments: [value])
                        if value == 770 { try misbehave(inside: database) }
                    }
                )
                .batch(16)
                .timeout(.seconds(number("CRASH_TIMEOUT") ?? 1))
                .retry(RetryPolicy(attempts: 2, base: .milliseconds(1)))
                .tables { database in
                    try database.execute(
                        sql: """
                            CREATE TABLE IF NOT EXISTS kept (value INTEGER NOT NULL);
                            CREATE TABLE IF NOT EXISTS parent (id INTEGER PRIMARY KEY);
                            CREATE TABLE IF NOT EXISTS child (
                                parent INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED
                            )
                            """)
                }
                Consumer(
                    "sum", after: ["keep"],
                    database: { database in
                        try database.execute(
                            sql: """
                                DELETE FROM total;
                                INSERT INTO total SELECT count(*), coalesce(sum(value), 0) FROM kept
                                """)
                    }
                )
                .tables {
                    try $0.execute(sql: "CREATE TABLE IF NOT EXISTS total (count INTEGER, sum INTEGER)")
                }
            }
        }
    }

    private static func ticks(until end: Date) throws -> Pipeline {
        try Pipeline("ticks") {
            Producer("tick", to: "ticks", on: .every(.milliseconds(20)), until: end) { (tick: Date) in
                Int((tick.timeIntervalSince1970 * 1000).rounded())
            }
            Consumer(
                "keep", from: "ticks",
                database: { (database: Database, value: Int) in
                    try database.execute(sql: "INSERT INTO kept (value) VALUES (?)", arguments: [value])
                }
            )
            .tables { try $0.execute(sql: "CREATE TABLE IF NOT EXISTS kept (value INTEGER NOT NULL)") }
        }
    }

    private static func middle(_ stage: Transformer) -> Transformer {
        stage.workers(3).batch(number("CRASH_BATCH") ?? 16).timeout(.seconds(number("CRASH_TIMEOUT") ?? 1)).retry(
            RetryPolicy(attempts: 2, base: .milliseconds(1)))
    }

    @Sendable private static func windows(_ stream: StageStream<Int, Int>) async throws {
        var window: [StageItem<Int>] = []
        for try await item in stream {
            window.append(item)
            if window.count < 3 { continue }
            try await stream.put(window.map { try change($0.value) }, answering: window)
            window = []
        }
        if !window.isEmpty { try await stream.put(window.map { try change($0.value) }, answering: window) }
    }

    private static func change(_ value: Int) throws -> Int {
        pause()
        if environment("CRASH_BROKEN") != nil { throw PermanentError("the function is broken") }
        if value == 77, let poison = environment("CRASH_POISON") { try Poison.take(poison) }
        if value % 10 == 7, let kinds = environment("CRASH_POISONS")?.split(separator: ",") {
            try Poison.take(String(kinds[value / 10 % kinds.count]))
        }
        return value * 10
    }

    /// What goes wrong inside the transaction of the acknowledgement.
    private static func misbehave(inside database: Database) throws {
        switch environment("CRASH_POISON") {
        case "hang inside": while true { usleep(1_000_000) }
        case "refused at commit": try database.execute(sql: "INSERT INTO child VALUES (1)")
        default: break
        }
    }

    private static func pause() { if let time = number("CRASH_PAUSE") { usleep(UInt32(time)) } }
    private static func environment(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }
    private static func number(_ name: String) -> Int? { environment(name).flatMap { Int($0) } }
}
