import Foundation
import GRDB
import Leat
import LeatSQLite
import Logging
import ServiceLifecycle
import UnixSignals

/// A small service that takes orders and confirms them: `outbox-service DB LETTERS`.
///
/// An order is a line of standard input. Its row and the letter that confirms it are committed together, so after a crash
/// exactly the letters of those orders are sent that are in the table, none for an order that was lost with its
/// connection, and none is forgotten.
@main
struct OutboxService {
    static func main() async throws {
        let (path, letters) = (CommandLine.arguments[1], CommandLine.arguments[2])
        let logger = Logger(label: "outbox", factory: StreamLogHandler.standardError(label:))
        let store = try await SQLiteStore.open(path)
        try await store.writing { db in
            try db.execute(sql: "CREATE TABLE IF NOT EXISTS orders (number TEXT PRIMARY KEY, taken_at TEXT)")
        }
        let outbox = try await store.queue("outbox", of: Letter.self)

        let desk = OrderDesk(store: store, outbox: outbox)
        let office = PostOffice(path: letters)
        let mailer = QueueService(outbox, concurrency: 4, logger: logger) { letter in
            // The same key at every attempt: whoever receives a letter twice can tell.
            try await office.send(letter, key: ItemContext.current?.idempotencyKey ?? "")
        }
        try await ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [.init(service: desk), .init(service: mailer)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        ).run()
    }
}

/// What is to be sent.
struct Letter: Codable, Sendable {
    var order: String
    var text: String
}

/// Takes orders until there are no more.
struct OrderDesk: Service {
    let store: SQLiteStore
    let outbox: Queue<Letter>

    func run() async throws {
        for await number in Self.lines().cancelOnGracefulShutdown() {
            // A customer who has seen no answer asks again: an order that is there already is not taken twice.
            try await store.writing { [outbox] db in
                try db.execute(
                    sql: "INSERT OR IGNORE INTO orders VALUES (?, datetime('now'))", arguments: [number])
                try outbox.put(Letter(order: number, text: "We have \(number)."), key: number, in: db)
            }
            FileHandle.standardOutput.write(Data("taken \(number)\n".utf8))
        }
        // Letters are sent as long as the service runs; it ends when it is told to, and its services in their order.
        try await gracefulShutdown()
    }

    /// The lines of standard input, read on a thread of its own: to wait for them blocks.
    private static func lines() -> AsyncStream<String> {
        AsyncStream { lines in
            Thread.detachNewThread {
                while let line = readLine() { lines.yield(line) }
                lines.finish()
            }
        }
    }
}
