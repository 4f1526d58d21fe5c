import Leat
import Synchronization
import Testing

/// What consumers were given, from any task.
final class Basket<Value: Sendable>: Sendable {
    private let values = Mutex<[Value]>([])

    func add(_ value: Value) { values.withLock { $0.append(value) } }
    func add(_ more: [Value]) { values.withLock { $0 += more } }
    var all: [Value] { values.withLock { $0 } }
}

private struct Broken: Error, CustomStringConvertible {
    var description = "broken"
}

/// Fails at once, without waiting.
private let impatient = RetryPolicy(attempts: 3, base: .zero, jitter: 0)

@Suite("A run in memory", .timeLimit(.minutes(1)))
struct RunInMemoryTests {
    let basket = Basket<Int>()

    private func dead(_ run: InMemoryRun) async throws -> [DeadLetter] {
        try await run.store.deadLetters(of: nil, limit: 1000)
    }

    @Test("gives what the functions give by themselves")
    func linear() async throws {
        @Sendable func square(_ n: Int) -> Int { n * n }
        let run = try await Pipeline("squares") {
            Producer("numbers", to: "n", repeating: { 1...1000 })
            Transformer("square", from: "n", to: "squares", square)
            Consumer("keep", from: "squares") { (n: Int) in basket.add(n) }
        }.runInMemory()

        #expect(basket.all == (1...1000).map(square))
        #expect(run.outcome == .complete)
        #expect(run.stages.map(\.state) == [.complete, .complete, .complete])
        #expect(try await run.store.verify().isEmpty)
    }

    @Test("shares a stage's items among its workers, each item once")
    func workers() async throws {
        try await Pipeline("p") {
            Producer("numbers", to: "n", shards: ["a", "b", "c"]) { (shard: ShardName, cursor: Int?) in
                let base = shard == "a" ? 0 : shard == "b" ? 1000 : 2000
                return ((cursor ?? 0) + 1...100).map { Sourced(base + $0, cursor: $0) }
            }.workers(2).batch(10)
            Transformer("pass", from: "n", to: "m") { (n: Int) in n }.workers(4).batch(7)
            Consumer("keep", from: "m") { (n: Int) in basket.add(n) }.workers(3)
        }.runInMemory()

        let expected = [0, 1000, 2000].flatMap { base in (1...100).map { base + $0 } }
        #expect(basket.all.sorted() == expected)
    }

    @Test("joins several stages in one queue")
    func fanIn() async throws {
        try await Pipeline("p") {
            Producer("low", to: "n", repeating: { 1...50 })
            Producer("high", to: "n") { [101, 102, 103] }
            Consumer("keep", from: "n") { (n: Int) in basket.add(n) }
        }.runInMemory()

        #expect(basket.all.sorted() == Array(1...50) + [101, 102, 103])
    }

    @Test("parts values by route")
    func routes() async throws {
        let odd: QueueReference<Int> = "odd"
        let even: QueueReference<String> = "even"
        let texts = Basket<String>()
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...10 })
            Transformer("part", from: "n", routes: [odd, even.name]) { (n: Int) in
                if n == 10 { return .none }
                return n % 2 == 0 ? try .to(even, "e\(n)") : try .to(odd, n) + .to(odd, -n)
            }
            Consumer("odd", from: odd) { (n: Int) in basket.add(n) }
            Consumer("even", from: even) { (text: String) in texts.add(text) }
        }.runInMemory()

        #expect(basket.all == [1, -1, 3, -3, 5, -5, 7, -7, 9, -9])
        #expect(texts.all == ["e2", "e4", "e6", "e8"])
        #expect(run.outcome == .complete)
    }

    @Test("makes a dead letter of an input that was routed to a queue that is not declared")
    func undeclared() async throws {
        let odd: QueueReference<Int> = "odd"
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...3 })
            Transformer("part", from: "n", routes: [odd]) { (n: Int) in
                n == 2 ? try .to("nowhere" as QueueReference<Int>, n) : try .to(odd, n)
            }
            Consumer("odd", from: odd) { (n: Int) in basket.add(n) }
        }.runInMemory()

        #expect(basket.all == [1, 3])
        #expect(try await dead(run).map(\.reason).first?.contains("nowhere") == true)
    }

    @Test("puts a value into all of a stage's queues")
    func toAll() async throws {
        let other = Basket<Int>()
        try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...5 })
            Transformer("copy", from: "n", toAll: ["b", "c"]) { (n: Int) in n }
            Consumer("first", from: "b") { (n: Int) in basket.add(n) }
            Consumer("second", from: "c", batch: { (all: [Int]) in other.add(all) })
        }.runInMemory()

        #expect(basket.all == [1, 2, 3, 4, 5])
        #expect(other.all == [1, 2, 3, 4, 5])
    }

    @Test("gives a stage its whole input when that is closed, in one call")
    func whenClosed() async throws {
        let calls = Basket<[Int]>()
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { (1...500).reversed() })
            Transformer("sort", whenClosed: "n", to: "sorted") { (all: [Int]) in all.sorted() }
            Consumer("total", whenClosed: "sorted") { (all: [Int]) in calls.add(all) }
        }.runInMemory()

        #expect(calls.all == [Array(1...500)])
        #expect(run.outcome == .complete)
    }

    @Test("calls a stage on its whole input once, when that is empty too")
    func whenClosedEmpty() async throws {
        let calls = Basket<[Int]>()
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n") { [Int]() }
            Consumer("total", whenClosed: "n") { (all: [Int]) in calls.add(all) }
        }.runInMemory()

        #expect(calls.all == [[]])
        #expect(run.outcome == .complete)
    }

    @Test("runs a stage once after others are complete, with or without errors")
    func after() async throws {
        let log = Basket<String>()
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...10 })
            Consumer("load", from: "n") { (n: Int) in
                if n == 3 { throw PermanentError("three") }
                log.add("item")
            }
            Consumer("notify", after: ["load"]) { log.add("after") }
        }.runInMemory()

        #expect(log.all == [String](repeating: "item", count: 9) + ["after"])
        #expect(run.outcome == .completeWithErrors)
        #expect(run["load"]?.state == .completeWithErrors)
    }

    @Test("charges the item that throws, and no neighbour (invariant 3)")
    func deadLetters() async throws {
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...30 })
            Consumer("keep", from: "n") { (n: Int) in
                if n == 7 { throw Broken() }
                if n == 8 { throw PermanentError("never") }
                basket.add(n)
            }.retry(impatient)
        }.runInMemory()

        let letters = try await dead(run)
        #expect(basket.all == (1...30).filter { $0 != 7 && $0 != 8 })
        #expect(letters.map(\.payload) == [.text("7"), .text("8")])
        #expect(letters.map(\.reason) == ["broken", "never"])
        #expect(letters.map(\.attempts) == [3, 1])
        #expect(run["keep"]?.failures == 4)
        #expect(run.outcome.exitStatus == 30)
    }

    @Test("halves a batch that throws until the culprit stands alone (invariant 3)")
    func halving() async throws {
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...64 })
            Consumer(
                "keep", from: "n",
                batch: { (all: [Int]) in
                    if all.contains(13) { throw Broken() }
                    basket.add(all)
                }
            ).retry(impatient).batch(32)
        }.runInMemory()

        #expect(basket.all.sorted() == (1...64).filter { $0 != 13 })
        let letters = try await dead(run)
        #expect(letters.map(\.payload) == [.text("13")])
        #expect(letters.map(\.attempts) == [3])
        #expect(run["keep"]?.failures == 3)
    }

    @Test("makes a dead letter of what a batch can't read, and gives it the rest", arguments: [false, true])
    func unreadable(_ isWhole: Bool) async throws {
        let texts: QueueReference<String> = "texts"
        let typed: QueueReference<Int> = "texts"
        let pipeline = try Pipeline("p") {
            Producer("texts", to: texts) { ["1", "two", "3"] }.changed { $0.outputTypes = [:] }
            if isWhole {
                Consumer("keep", whenClosed: typed) { (all: [Int]) in basket.add(all) }
            } else {
                Consumer("keep", from: typed, batch: { (all: [Int]) in basket.add(all) })
            }
        }
        let run = try await pipeline.runInMemory()

        #expect(basket.all == [1, 3])
        #expect(try await dead(run).map(\.payload) == [.text("two")])
        #expect(run.outcome == .completeWithErrors)
    }

    @Test("calls a stage on what is left of its input when nothing of that can be read")
    func allUnreadable() async throws {
        let texts: QueueReference<String> = "texts"
        let typed: QueueReference<Int> = "texts"
        let calls = Basket<[Int]>()
        let run = try await Pipeline("p") {
            Producer("texts", to: texts) { ["one", "two"] }.changed { $0.outputTypes = [:] }
            Consumer("keep", whenClosed: typed) { (all: [Int]) in calls.add(all) }
        }.runInMemory()

        #expect(calls.all == [[]])
        #expect(run["keep"]?.state == .completeWithErrors)
    }

    @Test("fails a stage that ends with more dead items than it tolerates, and what follows is blocked")
    func maxDead() async throws {
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...30 })
            Transformer("pass", from: "n", to: "m") { (n: Int) in
                if n % 10 == 0 { throw PermanentError("ten") }
                return n
            }.maxDead(2)
            Consumer("keep", from: "m") { (n: Int) in basket.add(n) }
            Consumer("report", after: ["keep"]) { basket.add(-1) }
        }.runInMemory()

        #expect(run.outcome == .failed)
        #expect(run.outcome.exitStatus == 35)
        #expect(run["pass"]?.state == .failed)
        #expect(run["keep"]?.state == .blocked)
        #expect(run["report"]?.state == .blocked)
        #expect(basket.all == (1...30).filter { $0 % 10 != 0 })
    }

    @Test("stops a stage whose items all die, leaves its items ready, and lets the others finish")
    func breaker() async throws {
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...100 })
            Transformer("copy", from: "n", toAll: ["bad", "good"]) { (n: Int) in n }
            Consumer("bad", from: "bad") { (_: Int) in throw PermanentError("always") }.batch(5)
            Consumer("good", from: "good") { (n: Int) in basket.add(n) }
        }.runInMemory()

        #expect(run.outcome == .failed)
        #expect(run["bad"]?.dead == 5)
        #expect(run["bad"]?.ready == 95)
        #expect(run["bad"]?.reason?.contains("all died") == true)
        #expect(run["good"]?.state == .complete)
        #expect(basket.all.count == 100)
    }

    @Test("does not wait behind a failed producer")
    func failedProducer() async throws {
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { () throws -> [Int] in throw Broken() })
                .retry(impatient).crashes(2)
            Transformer("sort", whenClosed: "n", to: "m") { (all: [Int]) in all.sorted() }
            Consumer("keep", from: "m") { (n: Int) in basket.add(n) }
        }.runInMemory()

        #expect(run.outcome == .failed)
        #expect(run["numbers"]?.state == .failed)
        #expect(run["numbers"]?.reason?.contains("broken") == true)
        #expect(run.stages.map(\.state) == [.failed, .blocked, .blocked])
    }

    @Test("tries a whole input again, and charges its stage and no item")
    func failedWhole() async throws {
        let attempts = Atomic(0)
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...3 })
            Consumer("total", whenClosed: "n") { (all: [Int]) in
                if attempts.wrappingAdd(1, ordering: .relaxed).newValue < 3 { throw Broken() }
                basket.add(all)
            }.retry(impatient)
        }.runInMemory()

        #expect(basket.all == [1, 2, 3])
        #expect(run.outcome == .complete)
        #expect(run["total"]?.dead == 0)
    }

    @Test("gives up a stage after others that fails for good, at once", arguments: [true, false])
    func failedAfter(_ isPermanent: Bool) async throws {
        let attempts = Atomic(0)
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...3 })
            Consumer("keep", from: "n") { (n: Int) in basket.add(n) }
            Consumer("notify", after: ["keep"]) {
                attempts.wrappingAdd(1, ordering: .relaxed)
                if isPermanent { throw PermanentError("no such address") }
                throw Broken()
            }.retry(impatient).crashes(4)
        }.runInMemory()

        #expect(run.outcome == .failed)
        #expect(attempts.load(ordering: .relaxed) == (isPermanent ? 1 : 4))
    }

    @Test("ends a crawler that feeds itself when no member has anything left")
    func cycle() async throws {
        let urls: QueueReference<Int> = "urls"
        let pages: QueueReference<Int> = "pages"
        let run = try await Pipeline("crawler") {
            Producer("seed", to: urls, key: { "\($0)" }) { [1] }
            Transformer("crawl", from: urls, routes: [urls, pages]) { (n: Int) in
                var found = try Routed.to(pages, n)
                for link in [n * 2, n * 2 + 1, n / 2] where (1...100).contains(link) {
                    found += try .to(urls, link, key: "\(link)")
                }
                return found
            }.workers(2)
            Consumer("index", from: pages) { (n: Int) in basket.add(n) }
        }.runInMemory()

        #expect(basket.all.sorted() == Array(1...100))
        #expect(run.outcome == .complete)
    }

    @Test("tells an item function which item it has")
    func context() async throws {
        let keys = Basket<String>()
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...3 })
            Transformer("one", from: "n", to: "m") { (n: Int) in
                keys.add(ItemContext.current?.idempotencyKey ?? "none")
                return n
            }
            Consumer(
                "many", from: "m",
                batch: { (_: [Int]) in
                    for context in ItemContext.batch { keys.add(context.idempotencyKey) }
                })
        }.runInMemory()

        let id = try await run.store.runID()
        #expect(keys.all.filter { $0.contains("/n/") } == (1...3).map { "\(id)/n/\($0)/0" })
        #expect(keys.all.filter { $0.contains("/m/") } == (1...3).map { "\(id)/m/\($0)/0" })
    }

    @Test("keeps lineage: an output's parent is the item that it was made from")
    func lineage() async throws {
        let run = try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...3 })
            Transformer("twice", from: "n", to: "m") { (n: Int) in [n, -n] }
            Consumer("keep", from: "m") { (_: Int) in }
        }.runInMemory()

        let parents = try await run.store.items(in: "m", after: nil, limit: 10).map(\.parent)
        #expect(parents == [1, 1, 2, 2, 3, 3].map { ItemID($0) })
    }
}
