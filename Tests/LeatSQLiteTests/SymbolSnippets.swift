import CoreMetrics
import Foundation
import GRDB
import Leat
import LeatCLI
import LeatSQLite
import LeatTesting
import Logging
import ServiceLifecycle
import Testing
import Tracing
import UnixSignals

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

// What the documentation of symbols shows, as code that is compiled. ``DocumentationTests`` holds every comment in Sources
// against this file.

// MARK: What it is about

private struct Mail: Codable, Sendable {
    var to: String

    init(to: String) { self.to = to }
    init(confirming order: Order) { to = order.customer }
}

private struct Order: Codable, Sendable, FetchableRecord, PersistableRecord {
    var number: String
    var customer: String
}

struct Reading: PayloadConvertible {
    var sensor: Int
    var celsius: Double

    var payload: Payload { .text("\(sensor) \(celsius)") }

    init(payload: Payload) throws {
        let fields = String(decoding: payload.bytes, as: UTF8.self).split(separator: " ")
        guard fields.count == 2, let sensor = Int(fields[0]), let celsius = Double(fields[1]) else {
            throw PermanentError("'\(payload.preview)' is no reading.")
        }
        (self.sensor, self.celsius) = (sensor, celsius)
    }
}

private struct Payment: Codable, Sendable {
    var account: String
}

private struct RawFlight: Codable, Sendable {
    var id: Int
    var departure: Int?
}

private struct Flight: Codable, Sendable {
    var id: Int
    var departure: Int

    init(_ row: RawFlight, _ departure: Int) { (id, self.departure) = (row.id, departure) }
}

private struct Report: Codable, Sendable {
    var night: Date

    init(of night: Date) { self.night = night }
}

private struct Summary: Codable, Sendable {
    var sum: Int

    init(of numbers: [Int]) { sum = numbers.reduce(0, +) }
}

private func send(_ mail: Mail, idempotencyKey: String? = nil) async throws {}
private func send(_ order: Order, idempotencyKey: String?) async throws {}
private func call(_ line: String) async throws -> String { line }
private func lines(of day: String) -> [String] { [day] }
private func load(_ line: String) {}
private func rows(of shard: ShardName, after line: Int) -> [(row: RawFlight, line: Int)] { [] }
private func work(on batch: QueueBatch<Mail>) async throws { try await batch.acknowledge() }

private let orders: QueueReference<Order> = "orders"
private let flights: QueueReference<Flight> = "flights"
private let cancelled: QueueReference<RawFlight> = "cancelled"
private let audit: QueueReference<Int> = "audit"
private let reports: QueueReference<Report> = "reports"
private let months: [ShardName] = ["2013-01", "2013-02"]
private let vienna = TimeZone(identifier: "Europe/Vienna") ?? .gmt

// MARK: Queues

private func puts(_ mails: Queue<Mail>, _ reminder: Mail, _ greeting: Mail, _ newYear: Date) async throws {
    try await mails.put(reminder, due: .after(.seconds(60)))
    try await mails.put(greeting, due: .at(newYear))
}

private func putsKeyed(_ orders: Queue<Order>, _ batch: [Order]) async throws {
    try await orders.put(contentsOf: batch, keyedBy: \.number)
}

private func opens() async throws {
    let store = try await SQLiteStore.open("app.db")
    let mails = try await store.queue("mails", of: Mail.self)
    try await mails.put(Mail(to: "a@example.com"))

    for try await item in mails.items(for: .seconds(30)) {
        try await send(item.value, idempotencyKey: item.idempotencyKey)
        try await item.acknowledge()
    }
}

private func claims(_ mails: Queue<Mail>) async throws {
    switch try await mails.claim(upTo: 100, for: .seconds(30)) {
    case .granted(let batch): try await work(on: batch)
    case .empty: break  // nothing is ready now
    case .finished: return  // and nothing ever will be
    }
}

private func iterates(_ mails: Queue<Mail>) async throws {
    for try await item in mails.items(for: .seconds(30)) {
        try await send(item.value)
        try await item.acknowledge()
    }
}

private func serves(_ mails: Queue<Mail>, _ logger: Logger) async throws {
    let mailer = QueueService(mails, concurrency: 8, logger: logger) { mail in
        try await send(mail, idempotencyKey: ItemContext.current?.idempotencyKey)
    }
    try await ServiceGroup(services: [mailer], gracefulShutdownSignals: [.sigterm], logger: logger).run()
}

private func recurs(_ reports: Queue<Report>, _ worker: any Service, _ logger: Logger) async throws {
    let nightly = RecurringProducer("nightly", into: reports, on: .cron("30 2 * * *"), logger: logger) { night in
        Report(of: night)
    }
    try await ServiceGroup(services: [nightly, worker], gracefulShutdownSignals: [.sigterm], logger: logger).run()
}

private func schedules() -> [Schedule] {
    let often = Schedule.every(.seconds(60))
    let nightly = Schedule.cron("30 2 * * *", in: vienna)
    let workdays: CronExpression = "0 9 * * mon-fri"
    return [often, nightly, .cron(workdays)]
}

// MARK: The database

private func writes(_ store: SQLiteStore, _ order: Order, _ mails: Queue<Mail>) async throws {
    try await store.writing { db in
        try order.insert(db)
        try mails.put(Mail(confirming: order), in: db)
    }
}

private func prepares(_ store: SQLiteStore) throws -> DatabasePool {
    var configuration = Configuration()
    configuration.busyMode = .timeout(5)
    configuration.prepareDatabase { db in try store.setUp(db) }
    let pool = try DatabasePool(path: "app.db", configuration: configuration)
    return pool
}

private func looks() async throws -> [StageStatus] {
    let store = try await SQLiteStore.open("flights.db")
    let status = try await store.status()
    return status
}

private func reads(_ store: SQLiteStore) async throws -> Int {
    let tails = try await store.reading { db in try String.fetchAll(db, sql: "SELECT tail FROM flight LIMIT 100") }
    return tails.count
}

private func keepsInMemory(_ plan: Plan) async throws {
    let store = MemoryStore()
    try await store.install(plan)
}

// MARK: Stages

private func consumers(_ logger: Logger) -> [any PipelineStage] {
    let payments = QueueReference<Payment>("payments", order: .byGroup(\.account))
    return [
        Consumer("print", from: "squares") { (square: Int) in print(square) },
        Consumer("pay", from: payments) { (_: Payment) in
            logger.info("Sent.", metadata: ItemContext.current?.logMetadata)
        },
        Consumer("mail", from: orders) { (order: Order) in
            try await send(order, idempotencyKey: ItemContext.current?.idempotencyKey)
        },
        Consumer(
            "load", from: "squares",
            database: { (db, square: Int) in
                try db.execute(sql: "INSERT INTO square VALUES (?)", arguments: [square])
            }
        )
        .tables { db in try db.execute(sql: "CREATE TABLE IF NOT EXISTS square (value INTEGER)") },
        Transformer("square", from: "n", to: "squares") { (n: Int) in n * n },
        Transformer("enrich", from: "raw", to: "rich", call).workers(4).rate(Rate(50, per: .seconds(1))),
        Producer("nightly", to: reports, on: .cron("30 2 * * *")) { (night: Date) in Report(of: night) },
    ]
}

private func producers() -> Producer {
    let raw: QueueReference<RawFlight> = "raw"
    return
        Producer("extract", to: raw, shards: months) { (shard: ShardName, line: Int?) in
            rows(of: shard, after: line ?? 0).map { Sourced($0.row, cursor: $0.line) }
        }
}

@Sendable private func routes(_ row: RawFlight) throws -> Routed {
    guard let time = row.departure else { return try .to(cancelled, row) }
    return try .to(flights, Flight(row, time)) + .to(audit, row.id, due: .after(.seconds(60)))
}

private func pairs() -> Transformer {
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
            // At its end there may be one without another.
            if await stream.ending == .complete, !pair.isEmpty {
                try await stream.put(pair.map(\.value), answering: pair)
            }
        })
}

private func summaries(_ stream: StageStream<Int, Summary>) async throws {
    for try await batch in stream.batches(of: 100, within: .seconds(1)) {
        try await stream.put([Summary(of: batch.map(\.value))], answering: batch)
    }
}

private struct Throttled: AdvisingError {
    let seconds: Int  // the answer's Retry-After
    var retryAdvice: RetryAdvice { .postpone(.seconds(seconds)) }
}

private func departure(_ row: [String]) throws -> Int {
    guard let departure = Int(row[4]) else { throw PermanentError("no departure time in '\(row)'") }
    return departure
}

private func key() throws -> String {
    guard let key = ProcessInfo.processInfo.environment["API_KEY"] else {
        throw StageError("API_KEY is not set", .never)
    }
    return key
}

private func throttled() throws {
    throw RetryError("429 from the rates' service", .postpone(.seconds(30)))
}

private func advised(_ stage: Consumer) -> Consumer {
    stage
        .onError { error in
            switch error {
            case is DecodingError: .never
            case let error as URLError where error.code == .notConnectedToInternet: .postpone(.seconds(60))
            default: nil  // as the error says
            }
        }
}

// MARK: Pipelines

private func squares() async throws {
    let pipeline = try Pipeline("squares") {
        Producer("numbers", to: "n", repeating: { 1...1000 })
        Transformer("square", from: "n", to: "squares") { (n: Int) in n * n }
        Consumer("print", from: "squares") { (square: Int) in print(square) }
    }
    try await pipeline.runInMemory()
}

private struct Squares: PipelineProgram {
    static var pipeline: Pipeline {
        get throws {
            try Pipeline("squares") {
                Producer("numbers", to: "n", repeating: { 1...1000 })
                Transformer("square", from: "n", to: "squares") { (n: Int) in n * n }
                Consumer("print", from: "squares") { (square: Int) in print(square) }
            }
        }
    }
}

private let backend = NOOPMetricsHandler.instance
private let tracer = NoOpTracer()

private struct Measured {
    static func main() async {
        MetricsSystem.bootstrap(backend)
        InstrumentationSystem.bootstrap(tracer)
        await Squares.main()
    }
}

private struct Flights: PipelineProgram {
    static var pipeline: Pipeline { get throws { try pipeline(with: ["day": "2026-11-01"]) } }

    static func pipeline(with parameters: Parameters) throws -> Pipeline {
        let day = try parameters["day"]
        return try Pipeline("flights", parameters: parameters) {
            Producer("read", to: "lines", repeating: { lines(of: day) })
            Consumer("load", from: "lines") { (line: String) in load(line) }
        }
    }
}

private func works(_ pipeline: Pipeline, _ store: SQLiteStore, _ logger: Logger) async throws -> WorkerExit {
    let worker = try StageWorker("square", of: pipeline, on: store, pid: getpid(), logger: logger)
    let exit = try await worker.work()
    return exit
}

// MARK: Tests

private func pipeline() throws -> Pipeline {
    try Pipeline("squares") {
        Producer("numbers", to: "n", repeating: { 1...400 }).batch(10)
        Transformer("square", from: "n", to: "squares") { (n: Int) in n * n }.batch(5)
        Consumer("keep", from: "squares") { (_: Int) in }.batch(5)
    }
}

@Suite("Tests that the documentation of symbols shows", .timeLimit(.minutes(1)))
struct SymbolSnippetTests {
    @Test func survives() async throws {
        let report = try await LeatTesting.chaos(pipeline(), kills: 20)
        #expect(report.kills == 20)
    }

    @Test func sums() async throws {
        let sums = try await outputs(of: pairs(), from: 1...5, as: Int.self)
        #expect(sums.values == [3, 7, 5])
        #expect(sums.deadLetters.isEmpty)
    }

    @Test func time() async throws {
        let time = ManualTime()
        let store = MemoryStore(time: time)
        time.advance(by: .seconds(20))
        #expect(store.time.wallClock == ManualTime().wallClock + 20_000)
    }
}

private func simulated(_ worker: StageWorker) async throws -> (any Store, WorkerExit) {
    let scheduler = SimulatedScheduler(seed: 7)
    let store = MemoryStore(time: scheduler.time)
    let exit = try await scheduler.run(within: .seconds(600)) { try await worker.work() }
    return (store, exit)
}

private func observed() async throws {
    await Squares.main { store in
        let log = ProcessInfo.processInfo.environment["SQUARES_LOG"]
        return try log.map { try OracleLog(path: $0).observing(store) } ?? store
    }
}

private func simulation() async throws {
    try await Simulation(seed: 7).run { time in MemoryStore(time: time, terms: Simulation.terms) }
}

private func models() async throws {
    try await StoreModel.check(seeds: 0..<2_000, operations: 50) { time in MemoryStore(time: time) }
}

private func oracle() async throws {
    let log = try OracleLog(path: "/tmp/run.oracle")
    let store = log.observing(try await SQLiteStore.open("run.db"))  // in each process
    // … workers are killed, the run is repeated until it ends by itself …
    let check = OracleCheck(try log.records(), try await OracleView(of: store))
    #expect(check.findings == [])
}

private func oracle(_ log: OracleLog, _ store: any Store) async throws {
    var check = OracleCheck(try log.records(), try await OracleView(of: store))
    check.distinct = ["numbers", "squares"]
    check.isCulprit = { queue, payload in queue == "numbers" && payload == .text("77") }
    #expect(check.findings == [])
}
