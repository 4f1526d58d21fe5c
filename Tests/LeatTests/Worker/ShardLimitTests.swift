import Foundation
import LeatTesting
import Logging
import Synchronization
import Testing

@testable import Leat

private let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
private let numbers: QueueReference<Int> = "n"

/// Producers that stop when they have put so many items.
@Suite("A producer with a limit", .timeLimit(.minutes(1)))
struct ShardLimitTests {
    let store = MemoryStore()
    let basket = Basket<Int>()

    /// Ways to give the numbers from 1 to 20.
    enum Kind: CaseIterable, Sendable {
        case cursor, asyncCursor, repeating, asyncRepeating, keys, asyncKeys

        var producer: Producer {
            @Sendable func stream<Value: Sendable>(_ values: [Value]) -> AsyncStream<Value> {
                AsyncStream { continuation in
                    for value in values { continuation.yield(value) }
                    continuation.finish()
                }
            }
            @Sendable func after(_ cursor: Int?) -> [Sourced<Int, Int>] {
                ((cursor ?? 0) + 1..<21).map { Sourced($0, cursor: $0) }
            }
            return switch self {
            case .cursor: Producer("numbers", to: numbers) { (cursor: Int?) in after(cursor) }
            case .asyncCursor: Producer("numbers", to: numbers) { (cursor: Int?) in stream(after(cursor)) }
            case .repeating: Producer("numbers", to: numbers, repeating: { 1...20 })
            case .asyncRepeating: Producer("numbers", to: numbers, repeating: { stream(Array(1...20)) })
            case .keys: Producer("numbers", to: numbers, key: { "\($0)" }, { 1...20 })
            case .asyncKeys: Producer("numbers", to: numbers, key: { "\($0)" }, { stream(Array(1...20)) })
            }
        }
    }

    private func work(_ pipeline: Pipeline, limit: Int?, on store: any Store) async throws -> WorkerExit {
        var worker = try StageWorker("numbers", of: pipeline, on: store, pid: 1, logger: silent)
        worker.limit = limit
        return try await worker.work()
    }

    private func payloads() async throws -> [Payload] {
        try await store.items(in: "n", after: nil, limit: 99).map(\.payload)
    }

    @Test(
        "puts exactly so many in all, and goes on behind them in a later run", arguments: Kind.allCases, [1, 3, 4, 100])
    func exact(kind: Kind, batch: Int) async throws {
        let pipeline = try Pipeline("p") {
            kind.producer.batch(batch)
            Consumer("keep", from: numbers) { (n: Int) in basket.add(n) }
        }

        for limit in [7, 7, 12] {
            let exit = try await work(pipeline, limit: limit, on: store)
            #expect(exit == .finished(.ready))
            #expect(try await payloads() == (1...limit).map { .text("\($0)") })
            #expect(
                try await store.shards() == [
                    ShardRecord(id: ShardID("numbers"), emitted: Int64(limit), isComplete: false)
                ])
        }
        #expect(try await work(pipeline, limit: nil, on: store) == .finished(.complete))

        #expect(try await payloads() == (1...20).map { .text("\($0)") })
        #expect(try await store.verify() == [])
    }

    @Test("comes to its end when it has less than that, and puts so many of each shard")
    func shards() async throws {
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: numbers, shards: ["long", "short"]) { (shard: ShardName, cursor: Int?) in
                ((cursor ?? 0)..<(shard == "long" ? 9 : 2)).map { Sourced($0, cursor: $0 + 1) }
            }
            Consumer("keep", from: numbers) { (n: Int) in basket.add(n) }
        }

        _ = try await work(pipeline, limit: 5, on: store)

        #expect(
            try await store.shards() == [
                ShardRecord(id: ShardID("numbers", "long"), emitted: 5, isComplete: false),
                ShardRecord(id: ShardID("numbers", "short"), emitted: 2, isComplete: true),
            ])
    }

    @Test("puts the items of so many ticks of a schedule")
    func ticks() async throws {
        let start = Date(timeIntervalSince1970: 1_800_000_000)
        let time = ManualTime(wallClock: start.milliseconds)
        let store = MemoryStore(time: time)
        let pipeline = try Pipeline("p") {
            Producer("numbers", to: numbers, on: .every(.seconds(60), from: start)) { (tick: Date) in
                Int(tick.timeIntervalSince(start) / 60)
            }
            Consumer("keep", from: numbers) { (n: Int) in basket.add(n) }
        }
        var hooked = HookedStore(store)
        // The schedule begins with its first step; ten ticks are missed at once then.
        hooked.onEmit = { emission in if emission.outputs.isEmpty { time.advance(by: .seconds(600)) } }

        _ = try await work(pipeline, limit: 3, on: hooked)

        #expect(
            try await store.items(in: "n", after: nil, limit: 99).map(\.payload) == [
                .text("1"), .text("2"), .text("3"),
            ])
    }
}
