import Foundation
import GRDB
import Leat
import LeatSQLite
import LeatTesting
import Logging
import Testing

// What the articles WritingStages and Testing show, as code that is compiled. ``DocumentationTests`` holds the articles
// against this file.

// MARK: What the stages are about

private struct Order: Codable, Hashable, Sendable {
    var number: String
    var customer: String
    var cents: Int
}

private struct Mail: Codable, Hashable, Sendable {
    var to: String
}

private struct Line: Sendable {
    var number: Int
    var text: String
}

private struct Poll: Codable, Hashable, Sendable {
    var at: Date
}

private struct Payment: Codable, Hashable, Sendable {
    var account: String
    var cents: Int
}

private struct ServiceDown: Error {}

private let orders: QueueReference<Order> = "orders"
private let polls: QueueReference<Poll> = "polls"
private let payments = QueueReference<Payment>("payments", order: .byGroup(\.account))
private let vienna = TimeZone(identifier: "Europe/Vienna") ?? .gmt
private let paid: QueueReference<Order> = "paid"
private let refused: QueueReference<String> = "refused"

private let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

private func parse(_ line: String) throws -> Order {
    let fields = line.split(separator: ",")
    guard fields.count == 3, let cents = Int(fields[2]) else { throw PermanentError("no order in '\(line)'") }
    return Order(number: String(fields[0]), customer: String(fields[1]), cents: cents)
}

/// The lines of a file that follow a given one.
private func lines(of file: String = "today", after passed: Int) -> [Line] {
    (1...3).filter { $0 > passed }.map { Line(number: $0, text: "\(file)-\($0),Ada,250") }
}

private func fetchOrders() async throws -> [Order] { [Order(number: "1", customer: "Ada", cents: 250)] }
private func names(of numbers: [Int]) async throws -> [String] { numbers.map { "\($0)" } }
private func mail(_ order: Order, under key: String) async throws {}
private func addToIndex(_ names: [String]) async throws {}
private func notify() async throws {}
private func ask(_ order: Order) async throws -> Int { order.cents }
private func send(_ mail: Mail, under key: String) async throws {}
private func mean(of values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }

private func total(_ db: Database) throws {
    try db.execute(sql: "DELETE FROM total; INSERT INTO total SELECT sum(cents) FROM paid")
}

// MARK: Writing stages

private func producers() throws -> Pipeline {
    try Pipeline("producers") {
        Producer("read", to: "lines") { (line: Int?) in
            lines(after: line ?? 0).map { Sourced($0.text, cursor: $0.number) }
        }
        Producer("read_shops", to: "lines", shards: ["north", "south"]) { (shard: ShardName, line: Int?) in
            lines(of: shard.rawValue, after: line ?? 0).map { Sourced($0.text, cursor: $0.number) }
        }
        Producer("count", to: "numbers", repeating: { 1...1000 })
        Producer("fetch", to: orders, key: { $0.number }) { try await fetchOrders() }

        Producer("poll", to: polls, on: .every(.seconds(60))) { (minute: Date) in Poll(at: minute) }
        Producer("nightly", to: polls, on: .cron("30 2 * * mon-fri", in: vienna), missed: .latest) { (night: Date) in
            Poll(at: night)
        }
        Producer("pay", to: payments, repeating: { [Payment(account: "a-17", cents: 995)] })

        Consumer("keep_polls", from: polls) { (_: Poll) in }
        Consumer("keep_payments", from: payments) { (_: Payment) in }
        Consumer("keep_lines", from: "lines") { (_: String) in }
        Consumer("keep_numbers", from: "numbers") { (_: Int) in }
        Consumer("keep_orders", from: orders) { (_: Order) in }
    }
}

private func transformersAndConsumers() throws -> Pipeline {
    try Pipeline("transformers") {
        Producer("count", to: "numbers", repeating: { 1...1000 })
        Producer("fetch", to: orders, key: { $0.number }) { try await fetchOrders() }

        Transformer("square", from: "numbers", to: "squares") { (n: Int) in n * n }
        Transformer("halve", from: "squares", to: "halves") { (n: Int) -> Int? in n % 2 == 0 ? n / 2 : nil }
        Transformer("mirror", from: "halves", to: "both") { (n: Int) in [n, -n] }
        Transformer("name", from: "both", to: "names", batch: { (all: [Int]) in try await names(of: all) })
        Transformer("sort", whenClosed: "names", to: "sorted") { (all: [String]) in all.sorted() }
        Transformer("copy", from: "sorted", toAll: ["left", "right"]) { (name: String) in name }

        Transformer("check", from: orders, routes: [paid, refused]) { (order: Order) -> Routed in
            guard order.cents > 0 else { return try .to(refused, "\(order.number): nothing to pay") }
            return try .to(paid, order, key: order.number)
        }

        Consumer("mail", from: paid) { (order: Order) in
            try await mail(order, under: ItemContext.current?.idempotencyKey ?? "")
        }
        Consumer("index", from: "left", batch: { (all: [String]) in try await addToIndex(all) })
        Consumer("report", whenClosed: "right") { (all: [String]) in print("\(all.count) names") }
        Consumer("notify", after: ["mail", "index"]) { try await notify() }

        Consumer("keep", from: refused) { (_: String) in }
    }
}

private func loading(_ text: [String], batch: Int = 100) throws -> Pipeline {
    try Pipeline("loading") {
        Producer("read", to: "lines", repeating: { text }).batch(batch)
        Transformer("parse", from: "lines", to: orders) { (line: String) in try parse(line) }.batch(batch)
        Consumer(
            "load", from: orders,
            database: { (db, order: Order) in
                try db.execute(sql: "INSERT INTO paid VALUES (?, ?)", arguments: [order.number, order.cents])
            }
        )
        .tables { try $0.execute(sql: "CREATE TABLE IF NOT EXISTS paid (number TEXT, cents INTEGER)") }
        .batch(batch)
        Consumer("total", after: ["load"], database: total)
            .tables { try $0.execute(sql: "CREATE TABLE IF NOT EXISTS total (cents INTEGER)") }
    }
}

private func averaging() throws -> Pipeline {
    try Pipeline("averaging") {
        Producer("measure", to: "samples", repeating: { [1.0, 2.5, 4.0] })
        Transformer(
            "average", from: "samples", to: "averages",
            stream: { (stream: StageStream<Double, Double>) in
                var window: [StageItem<Double>] = []
                for try await sample in stream {
                    window.append(sample)
                    if window.count < 10 { continue }
                    try await stream.put([mean(of: window.map(\.value))], answering: window)
                    window = []
                }
                // Nothing more will come. At a drain it would be left, to be handed out again.
                if await stream.ending == .complete, !window.isEmpty {
                    try await stream.put([mean(of: window.map(\.value))], answering: window)
                }
            })
        Consumer("keep", from: "averages") { (_: Double) in }
    }
}

private func asking() throws -> Pipeline {
    try Pipeline("asking") {
        Producer("read", to: "lines") { (line: Int?) in
            lines(after: line ?? 0).map { Sourced($0.text, cursor: $0.number) }
        }
        Transformer("parse", from: "lines", to: orders) { (line: String) in try parse(line) }
        Transformer("ask", from: orders, to: "scores") { (order: Order) in try await ask(order) }
            .workers(2).concurrency(8).rate(Rate(50, per: .seconds(1))).timeout(.seconds(10))
            .retry(RetryPolicy(attempts: 6, base: .seconds(1))).maxDead(.percent(1)).capacity(1000).keep(.failed)
            .onError { error in error is ServiceDown ? .postpone(.seconds(30)) : nil }
        Consumer("keep", from: "scores") { (_: Int) in }
    }
}

// MARK: Testing

private func deliver(_ mail: Mail) async throws {
    guard !mail.to.isEmpty else { throw PermanentError("no address") }
    try await send(mail, under: ItemContext.current?.idempotencyKey ?? "")
}

private typealias MyStore = MemoryStore

private func model() async throws {
    try await StoreModel.check(seeds: 0..<2_000, operations: 50) { time in MyStore(time: time) }
}

@Suite("What the articles show", .timeLimit(.minutes(1)))
struct StageSnippetTests {
    @Test("is made of pipelines that are sound")
    func sound() throws {
        let pipelines = try [producers(), transformersAndConsumers(), loading([]), averaging(), asking()]

        #expect(pipelines.allSatisfy { $0.stages.count >= 3 })
    }

    @Test("reads an order from a line")
    func reads() throws {
        #expect(try parse("17,Ada,250") == Order(number: "17", customer: "Ada", cents: 250))
        #expect(throws: PermanentError.self) { try parse("nothing") }
    }

    @Test("makes orders of lines, and a dead letter of what is none")
    func parses() async throws {
        let stage = Transformer("parse", from: "lines", to: orders) { (line: String) in try parse(line) }

        let made = try await outputs(of: stage, from: ["17,Ada,250", "nothing"], as: Order.self)

        #expect(made.values.map(\.number) == ["17"])
        #expect(made.deadLetters.map(\.reason) == ["no order in 'nothing'"])
        #expect(made.state == .completeWithErrors)
    }

    @Test("loads each order once")
    func loads() async throws {
        let run = try await loading(["1,Ada,250", "2,Grace,500", "nothing"]).runInMemory()

        #expect(run.outcome == .completeWithErrors)
        #expect(run["load"]?.done == 2)
        #expect(try await run.store.deadLetters(of: "parse", limit: 10).count == 1)
        #expect(try await run.reading { try Int.fetchOne($0, sql: "SELECT cents FROM total") } == 750)
    }

    @Test("comes to the same, whoever is declared dead")
    func survives() async throws {
        let text = (1...200).map { "\($0),Ada,250" }

        let report = try await chaos(loading(text, batch: 5), kills: 20)

        #expect(report.kills == 20)
        #expect(report.outcome == .complete)
    }

    @Test("delivers each mail, and buries what has no address")
    func delivers() async throws {
        let store = MemoryStore()
        let mails = try await store.queue("mails", of: Mail.self)
        try await mails.put(contentsOf: [Mail(to: "a@example.com"), Mail(to: "")])
        try await mails.seal()

        try await QueueService(mails, logger: logger) { mail in try await deliver(mail) }.run()

        #expect(try await mails.status().done == 1)
        #expect(try await store.deadLetters(of: nil, limit: 10).map(\.reason) == ["no address"])
    }

    @Test("comes back when the service said, and is another's when its lease is over")
    func comesBack() async throws {
        let time = ManualTime()
        let store = MemoryStore(time: time)
        let mails = try await store.queue("mails", of: Mail.self)
        try await mails.put(Mail(to: "a@example.com"))

        let first = try #require(try await mails.claim(for: .seconds(30)).batch?.items.first)
        try await first.fail(RetryError("busy", .after(.seconds(60))))
        #expect(try await mails.claim(for: .seconds(30)).batch == nil)

        time.advance(by: .seconds(60))
        let second = try #require(try await mails.claim(for: .seconds(30)).batch?.items.first)
        #expect(second.attempt == 2)

        time.advance(by: .seconds(31))
        let other = try await store.queue("mails", of: Mail.self)
        #expect(try await other.claim(for: .seconds(30)).batch?.values == [Mail(to: "a@example.com")])
        await #expect(throws: LeatError.self) { try await second.acknowledge() }
    }
}

@Suite("A store of one's own")
struct SnippetConformanceTests {
    @Test(arguments: StoreConformance.cases)
    func conforms(_ demand: StoreConformance.Case) async throws {
        try await demand.run { time in MyStore(time: time) }
    }
}
