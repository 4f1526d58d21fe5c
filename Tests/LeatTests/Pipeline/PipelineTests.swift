import Leat
import Testing

@Suite("A pipeline")
struct PipelineTests {
    @Test("keeps its stages in topological order, with their modifiers")
    func definitions() throws {
        let pipeline = try Pipeline("squares") {
            Consumer("print", from: "squares") { (_: Int) in }.batch(7).timeout(.seconds(2)).maxDead(3)
            Transformer("square", from: "n", to: "squares") { (n: Int) in n * n }.workers(4).retry(.never)
            Producer("numbers", to: "n", repeating: { 1...10 })
        }

        #expect(pipeline.stages.map(\.name) == ["numbers", "square", "print"])
        #expect(pipeline["square"]?.workers == 4)
        #expect(pipeline["square"]?.spec.policy.retry.attempts == 1)
        #expect(pipeline["print"]?.batch == 7)
        #expect(pipeline["print"]?.timeout == .seconds(2))
        #expect(pipeline["print"]?.spec.policy.maxDead == .atMost(3))
    }

    @Test("refuses two types for one queue, and names the queue, the stages and the types")
    func types() {
        let error = #expect(throws: LeatError.self) {
            try Pipeline("p") {
                Producer("numbers", to: "n", repeating: { 1...10 })
                Consumer("print", from: "n") { (_: String) in }
            }
        }

        #expect(error?.code == .invalidPipeline)
        for word in ["'n'", "'numbers'", "'print'", "Swift.Int", "Swift.String"] {
            #expect(error?.message.contains(word) == true, "\(word) in: \(error?.message ?? "")")
        }
    }

    @Test("compares the types of routes that are given as references")
    func routeTypes() {
        let odd: QueueReference<Int> = "odd"
        let error = #expect(throws: LeatError.self) {
            try Pipeline("p") {
                Producer("numbers", to: "n", repeating: { 1...10 })
                Transformer("split", from: "n", routes: [odd]) { (n: Int) in try .to(odd, n) }
                Consumer("print", from: "odd") { (_: String) in }
            }
        }

        #expect(error?.code == .invalidPipeline)
    }

    @Test("takes stages from loops, conditions and arrays")
    func builder() throws {
        let names: [StageName] = ["first", "second"]
        let isLoud = false
        let pipeline = try Pipeline("p") {
            for name in names { Producer(name, to: "n", repeating: { 1...3 }) }
            if isLoud {
                Consumer("shout", from: "n") { (_: Int) in }
            } else {
                Consumer("whisper", from: "n") { (_: Int) in }
            }
        }

        #expect(pipeline.stages.map(\.name) == ["first", "second", "whisper"])
    }

    @Test("refuses a name that can't be a file's", arguments: ["", "../x", "a b", "1st", "a/b", "é"])
    func name(_ name: String) {
        let error = #expect(throws: LeatError.self) {
            try Pipeline(name) {
                Producer("numbers", to: "n", repeating: { 1...10 })
                Consumer("print", from: "n") { (_: Int) in }
            }
        }

        #expect(error?.code == .invalidName)
    }

    @Test("refuses a stage that takes from a queue and comes after others as well")
    func inputAndAfter() {
        let error = #expect(throws: LeatError.self) {
            try Pipeline("p") {
                Producer("numbers", to: "n", repeating: { 1...10 })
                Consumer("print", from: "n") { (_: Int) in }
                    .changed { $0.spec.after = ["numbers"] }
            }
        }

        #expect(error?.message.contains("not both") == true)
    }

    static let refusals: [(String, any PipelineStage)] = [
        ("would never run", Consumer("bad", after: []) {}),
        ("empty list of shards", Producer("bad", to: "n", shards: []) { (_, _: Int?) in [Sourced(1, cursor: 1)] }),
        (
            "names a shard twice",
            Producer("bad", to: "n", shards: ["x", "x"]) { (_, _: Int?) in [Sourced(1, cursor: 1)] }
        ),
        ("one worker does", Consumer("bad", after: ["print"]) {}.workers(2)),
    ]

    @Test("refuses a stage that is wrong by itself", arguments: refusals)
    func refuses(_ sentence: String, _ stage: any PipelineStage) {
        let error = #expect(throws: LeatError.self) {
            try Pipeline("p") {
                Producer("numbers", to: "n", repeating: { 1...10 })
                Consumer("print", from: "n") { (_: Int) in }
                stage
            }
        }

        #expect(error?.code == .invalidPipeline)
        #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
    }

    @Test("refuses a queue that is named twice among a stage's outputs")
    func twice() {
        #expect(throws: LeatError.self) {
            try Pipeline("p") {
                Producer("numbers", to: "n", repeating: { 1...10 })
                Transformer("copy", from: "n", toAll: ["m", "m"]) { (n: Int) in n }
                Consumer("print", from: "m") { (_: Int) in }
            }
        }
    }

    @Test("tells one value, an optional one and many apart by the function's result")
    func overloads() throws {
        @Sendable func halve(_ n: Int) -> Int? { n % 2 == 0 ? n / 2 : nil }
        @Sendable func digits(_ n: Int) -> [Int] { String(n).compactMap(\.wholeNumberValue) }
        @Sendable func square(_ n: Int) -> Int { n * n }

        let pipeline = try Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...10 })
            Transformer("halve", from: "n", to: "halves", halve)
            Transformer("digits", from: "halves", to: "digits", digits)
            Transformer("square", from: "digits", to: "squares", square)
            Transformer("sort", whenClosed: "squares", to: "sorted") { (all: [Int]) in all.sorted() }
            Transformer("sum", whenClosed: "sorted", to: "sum") { (all: [Int]) in all.reduce(0, +) }
            Consumer("print", from: "sum") { (_: Int) in }
        }

        #expect(pipeline.stages.count == 7)
    }
}

@Suite("What a stage routes")
struct RoutedTests {
    let odd: QueueReference<Int> = "odd"
    let even: QueueReference<String> = "even"

    @Test("is nothing, one value, or a sum of them in order")
    func sums() throws {
        let none = Routed.none
        let both = try Routed.to(odd, 1, key: "one", priority: 2) + .to(even, "two", due: .after(.seconds(3)))

        #expect(none.outputs.isEmpty)
        #expect(
            both.outputs == [
                Output(.text("1"), to: "odd", key: "one", priority: 2),
                Output(.text("two"), to: "even", due: .after(.seconds(3))),
            ])
    }

    @Test("is refused when one stage puts into a queue by group and another without")
    func orders() throws {
        let grouped = QueueReference<Int>("n", order: .byGroup { "\($0)" })
        let error = #expect(throws: LeatError.self) {
            try Pipeline("p") {
                Producer("sorted", to: grouped, repeating: { 1...3 })
                Producer("mixed", to: QueueReference<Int>("n"), repeating: { 1...3 })
                Consumer("keep", from: "n") { (_: Int) in }
            }
        }
        #expect(error?.message.contains("'sorted' puts into queue 'n' by group, and stage 'mixed' without") == true)
    }

    @Test("has any number of values from a function that gives an array, and one where a value is an array")
    func arrays() async throws {
        let lists: QueueReference<[Int]> = "lists"
        let basket = Basket<[Int]>()
        try await Pipeline("p") {
            Producer("numbers", to: "n", repeating: { 1...2 })
            Transformer("each", from: "n", to: "m") { (n: Int) in [n, -n] }
            Transformer("list", from: "m", to: lists) { (n: Int) in [n, n] }
            Consumer("keep", from: lists) { (list: [Int]) in basket.add(list) }
        }.runInMemory()

        #expect(basket.all == [[1, 1], [-1, -1], [2, 2], [-2, -2]])
    }
}
