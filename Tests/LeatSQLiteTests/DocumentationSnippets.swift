import Foundation
import GRDB
import Leat
import LeatSQLite
import Logging
import ServiceLifecycle
import UnixSignals

// What the article Queues shows, as code that is compiled. ``DocumentationTests`` holds the article against this file.

private struct Mail: Codable, Sendable {
    var to: String
}

private struct Payment: Codable, Sendable {
    var account: String
    var cents: Int
}

private struct Report: Codable, Sendable {
    var of: Date

    init(of time: Date) { of = time }
}

private func ordering(_ store: SQLiteStore) async throws {
    let payments = try await store.queue("payments", of: Payment.self, order: .byGroup(\.account))
    try await payments.put(Payment(account: "a-17", cents: 995))
}

private func recurring(_ reports: Queue<Report>, _ logger: Logger) -> [any Service] {
    let nightly = RecurringProducer("nightly", into: reports, on: .cron("30 2 * * *"), logger: logger) { night in
        Report(of: night)
    }
    let often = RecurringProducer("often", into: reports, on: .every(.seconds(60)), missed: .latest, logger: logger) {
        minute in
        Report(of: minute)
    }
    return [nightly, often]
}

private func deliver(_ mail: Mail, under key: String) async throws {}

private func opening() async throws {
    let store = try await SQLiteStore.open("app.db")
    let mails = try await store.queue("mails", of: Mail.self)
    _ = mails
}

private func putting(_ mails: Queue<Mail>, _ batch: [Mail], _ store: SQLiteStore, _ email: String) async throws {
    try await mails.put(Mail(to: "a@example.com"))
    try await mails.put(contentsOf: batch)
    try await mails.put(Mail(to: "b@example.com"), key: "welcome-17", due: .after(.seconds(60)), priority: 1)

    try await store.writing { db in
        try db.execute(sql: "INSERT INTO customer (email) VALUES (?)", arguments: [email])
        try mails.put(Mail(to: email), in: db)
    }
}

private func putting(_ mails: Queue<Mail>, _ store: SQLiteStore, _ email: String) async throws {
    var configuration = Configuration()
    configuration.busyMode = .timeout(5)
    configuration.prepareDatabase { db in try store.setUp(db) }
    let pool = try DatabasePool(path: "app.db", configuration: configuration)
    try await pool.write { db in
        try db.execute(sql: "INSERT INTO customer (email) VALUES (?)", arguments: [email])
        _ = try mails.put(Mail(to: email), in: db)
    }
}

private func looking(_ mails: Queue<Mail>) async throws {
    let status = try await mails.status()
    print(status.ready, status.waiting, status.leased, status.done, status.dead)
}

private func claiming(_ mails: Queue<Mail>) async throws {
    switch try await mails.claim(upTo: 10, for: .seconds(30)) {
    case .granted(let batch):
        for item in batch.items { try await deliver(item.value, under: item.idempotencyKey) }
        try await batch.acknowledge()
    case .empty:
        break  // nothing is ready now
    case .finished:
        return  // and nothing ever will be
    }
}

private func iterating(_ mails: Queue<Mail>) async throws {
    for try await item in mails.items(for: .seconds(30)) {
        try await deliver(item.value, under: item.idempotencyKey)
        try await item.acknowledge()
    }
}

private func serving(_ mails: Queue<Mail>, _ logger: Logger) async throws {
    let mailer = QueueService(mails, concurrency: 8, logger: logger) { mail in
        try await deliver(mail, under: ItemContext.current?.idempotencyKey ?? "")
    }
    try await ServiceGroup(services: [mailer], gracefulShutdownSignals: [.sigterm], logger: logger).run()
}

private func deciding(_ store: SQLiteStore) async throws {
    let careful = QueuePolicy(
        retry: RetryPolicy(attempts: 5, base: .seconds(2), cap: .seconds(300)), keep: .recent(.seconds(86_400)))
    let mails = try await store.queue("mails", of: Mail.self, policy: careful)
    _ = mails
}

private func streaming() throws -> Pipeline {
    try Pipeline("pairs") {
        Producer("count", to: "numbers", repeating: { 1...7 })
        Transformer(
            "pairs", from: "numbers", to: "sums",
            stream: { (stream: StageStream<Int, Int>) in
                var pair: [StageItem<Int>] = []
                for try await number in stream {
                    pair.append(number)
                    if pair.count < 2 { continue }
                    try await stream.put([pair[0].value + pair[1].value], answering: pair)
                    pair = []
                }
                // At the end of its input it answers what is left; told to stop, it leaves that to be handed out again.
                if await stream.ending == .complete, !pair.isEmpty {
                    try await stream.put(pair.map(\.value), answering: pair)
                }
            })
        Consumer("keep", from: "sums") { (_: Int) in }
    }
}
