import CoreMetrics
import InMemoryTracing
import LeatTesting
import Logging
import MetricsTestKit
import ServiceLifecycle
import Testing
import Tracing

@testable import Leat

private let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

@Suite("What the backends are told", .timeLimit(.minutes(1)))
struct ObservationTests {
    @Test("is nothing at all, and costs no wrapper, where no backend is set")
    func nothing() async throws {
        let store = MemoryStore()

        #expect(ObservedStore.observing(store) is MemoryStore)
        #expect(try await store.queue("numbers", of: Int.self).store is MemoryStore)
    }

    @Test("counts puts, claims and outcomes, and times waits and handlers, of a queue")
    func queue() async throws {
        let backend = TestMetrics()
        let time = ManualTime()
        let store = MemoryStore(time: time)
        try await withMetricsFactory(backend) {
            let numbers = try await store.queue("numbers", of: Int.self)
            try await numbers.put(contentsOf: 1...5)
            try await numbers.seal()
            time.advance(by: .milliseconds(1500))

            let held = try #require(try await numbers.claim(upTo: 2, for: .seconds(60)).batch)
            try await held.items[0].acknowledge()
            try await held.items[1].postpone(for: .zero, reason: "later")
            try await QueueService(numbers, concurrency: 2, logger: silent) { number in
                if number == 4 { throw PermanentError("no") }
            }.run()
        }

        let queue = [("queue", "numbers")]
        let stage = [("stage", "numbers")]
        func outcome(_ word: String) -> Int64 {
            backend.counterTotal(label: "leat.outcomes", dimensions: stage + [("outcome", word)])
        }
        #expect(backend.counterTotal(label: "leat.puts", dimensions: queue) == 5)
        #expect(backend.counterTotal(label: "leat.claims", dimensions: stage) == 6)
        #expect(outcome("done") == 4)
        #expect(outcome("failed") == 1)
        #expect(outcome("postponed") == 1)
        #expect(try backend.expectTimer("leat.wait", stage).values == Array(repeating: 1_500_000_000, count: 5))
        #expect(try backend.expectTimer("leat.run", stage).values.count == 4)
        // Looked at when it was first claimed from.
        #expect(try backend.expectRecorder("leat.depth", queue).values == [5])
        #expect(try backend.expectRecorder("leat.oldest_age", queue).values == [1.5])
    }

    @Test("counts what a pipeline's stages put, claim and settle, by any kind of function")
    func pipeline() async throws {
        let backend = TestMetrics()
        let pipeline = try Pipeline("measured") {
            Producer("make", to: "numbers", repeating: { 1...10 })
            Transformer("double", from: "numbers", to: "doubles") { (number: Int) -> Int in
                if number == 7 { throw PermanentError("seven") }
                return number * 2
            }
            Transformer("pair", from: "doubles", to: "pairs", batch: { (all: [Int]) in all })
            Consumer("sum", whenClosed: "pairs") { (_: [Int]) in }
        }

        let run = try await withMetricsFactory(backend) { try await pipeline.runInMemory() }

        #expect(run.outcome == .completeWithErrors)
        func total(_ label: String, _ dimensions: (String, String)...) -> Int64 {
            backend.counterTotal(label: label, dimensions: dimensions)
        }
        #expect(total("leat.puts", ("queue", "numbers")) == 10)
        #expect(total("leat.puts", ("queue", "doubles")) == 9)
        #expect(total("leat.outcomes", ("stage", "double"), ("outcome", "done")) == 9)
        #expect(total("leat.outcomes", ("stage", "double"), ("outcome", "failed")) == 1)
        #expect(total("leat.outcomes", ("stage", "pair"), ("outcome", "done")) == 9)
        #expect(total("leat.outcomes", ("stage", "sum"), ("outcome", "done")) == 9)
        #expect(total("leat.claims", ("stage", "sum")) == 9)
        #expect(try backend.expectTimer("leat.run", [("stage", "double")]).values.count == 10)
        #expect(try backend.expectTimer("leat.run", [("stage", "sum")]).values.count == 1)
    }

    @Test("is not disturbed by times that nobody can have meant")
    func strangeTimes() async throws {
        let backend = TestMetrics()
        let time = ManualTime(wallClock: .max - 5)
        let store = MemoryStore(time: time)
        try await withMetricsFactory(backend) {
            let numbers = try await store.queue("numbers", of: Int.self)
            try await numbers.put(1)
            time.wallClock = .min + 5
            _ = try await numbers.claim(for: .seconds(60))
            try await numbers.put(2)
            time.wallClock = .max / 2
            _ = try await numbers.claim(for: .seconds(60))
        }

        #expect(try backend.expectTimer("leat.wait", [("stage", "numbers")]).values.allSatisfy { $0 >= 0 })
    }

    @Test("counts a step that came too late")
    func refused() async throws {
        let backend = TestMetrics()
        let time = ManualTime()
        let store = MemoryStore(time: time)
        try await withMetricsFactory(backend) {
            let numbers = try await store.queue("numbers", of: Int.self)
            try await numbers.put(1)
            let item = try #require(try await numbers.claim(for: .seconds(1)).batch?.items.first)
            time.advance(by: .seconds(2))
            _ = try await numbers.another().claim(for: .seconds(1))
            await #expect(throws: LeatError.self) { try await item.acknowledge() }
        }

        #expect(backend.counterTotal(label: "leat.refused") == 1)
        #expect(backend.counterTotal(label: "leat.outcomes") == 0)
    }
}

@Suite("A trace", .timeLimit(.minutes(1)))
struct TracingTests {
    private func span(_ name: String, of tracer: InMemoryTracer) throws -> FinishedInMemorySpan {
        try #require(tracer.finishedSpans.first { $0.operationName == name })
    }

    @Test("goes on from whoever put an item to whoever handles it")
    func queue() async throws {
        let tracer = InMemoryTracer()
        let store = MemoryStore()
        try await withTracer(tracer) {
            let numbers = try await store.queue("numbers", of: Int.self)
            try await tracer.withSpan("order") { _ in _ = try await numbers.put(7) }
            try await numbers.seal()
            try await QueueService(numbers, logger: silent) { _ in throw PermanentError("no") }.run()
        }

        let (order, put) = (try span("order", of: tracer), try span("put numbers", of: tracer))
        let process = try span("process numbers", of: tracer)
        #expect(put.parentSpanID == order.spanID)
        #expect(process.traceID == order.traceID)
        #expect(process.parentSpanID == put.spanID)
        #expect(process.kind == .consumer)
        #expect(process.errors.count == 1)
        #expect(process.attributes.get("leat.item") == .int64(1))
        #expect(try await store.items(in: "numbers", after: nil, limit: 9).count == 1)
    }

    @Test("goes on through the stages of a pipeline, with links where a batch joins several")
    func pipeline() async throws {
        let tracer = InMemoryTracer()
        let store = MemoryStore()
        let pipeline = try Pipeline("traced") {
            Producer("make", to: "numbers", repeating: { [Int]() })
            Transformer("double", from: "numbers", to: "doubles") { (number: Int) in number * 2 }
            Consumer("keep", from: "doubles", batch: { (_: [Int]) in })
        }
        try await store.install(pipeline.plan)
        try await withTracer(tracer) {
            let numbers = try await store.queue("numbers", of: Int.self)
            try await tracer.withSpan("first") { _ in _ = try await numbers.put(1) }
            try await tracer.withSpan("second") { _ in _ = try await numbers.put(2) }
            _ = try await pipeline.runInMemory(store: store)
        }

        let first = try span("first", of: tracer)
        let second = try span("second", of: tracer)
        let doubled = tracer.finishedSpans.filter { $0.operationName == "process numbers" }
        #expect(Set(doubled.map(\.traceID)) == [first.traceID, second.traceID])
        let kept = tracer.finishedSpans.filter { $0.operationName == "process doubles" }
        let links = kept.flatMap { $0.links.compactMap { $0.context.inMemorySpanContext?.spanID } }
        #expect(Set(links) == Set(doubled.map(\.spanID)))
    }
}
