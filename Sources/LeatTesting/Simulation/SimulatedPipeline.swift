internal import Leat

/// A pipeline whose shape follows from the chances, and what must be in its queues at its end.
struct SimulatedPipeline: Sendable {
    let pipeline: Pipeline
    /// Each payload is there once, in this state.
    let expected: [QueueName: [String: ItemState]]
    /// What each consumer must have been called with.
    let effects: [String: [Int]]
    let functions: SimulatedFunctions

    private static let raw: QueueReference<Int> = "raw"
    private static let made: QueueReference<Int> = "made"
    private static let left: QueueReference<Int> = "left"
    private static let right: QueueReference<Int> = "right"
    private static let total: QueueReference<Int> = "total"

    init(_ scene: SimulatedScene, seed: UInt64) throws {
        let functions = SimulatedFunctions(scene: scene, seed: seed)
        let count = scene.number(8...24)
        let hasExtra = scene.isLucky(40)
        let hasTotal = scene.isLucky(50)
        var stages: [any PipelineStage] = [Self.source(count, scene)]
        if hasExtra { stages.append(Producer("extra", to: Self.raw, repeating: { 100..<106 }).batch(2)) }
        stages.append(Self.work(functions))
        stages.append(Self.route(functions))
        stages.append(Self.consumer("one", from: Self.left, functions))
        if hasTotal {
            stages.append(
                Transformer("total", whenClosed: Self.right, to: Self.total) { (values: [Int]) -> Int? in
                    for value in values { try await functions.work(on: value, in: "total", bearsPoison: true) }
                    return values.reduce(0, +)
                })
            stages.append(Consumer("two", from: Self.total) { (value: Int) in functions.effect(of: value, in: "two") })
        } else {
            stages.append(Self.consumer("two", from: Self.right, functions))
        }
        stages.append(
            Consumer("notify", after: ["one", "two"]) {
                try await scene.time.sleep(for: .milliseconds(30))
                functions.effect(of: 1, in: "notify")
            })
        let ready = stages.map { Self.finished($0, scene) }
        pipeline = try Pipeline("simulated") { for stage in ready { stage } }
        self.functions = functions

        var expectation = Expectation(functions)
        let inputs = Array(0..<count) + (hasExtra ? Array(100..<106) : [])
        let worked = expectation.pass(inputs, through: "work", from: "raw")
        let routed = expectation.pass(worked.flatMap(Self.made(of:)), through: "route", from: "made")
        let one = expectation.pass(routed.filter { $0 % 2 == 0 }, through: "one", from: "left")
        let rest = routed.filter { $0 % 2 != 0 }
        let two: [Int]
        if hasTotal {
            expectation.queues["right"] = Dictionary(uniqueKeysWithValues: rest.map { ("\($0)", .done) })
            two = [rest.reduce(0, +)]
            expectation.queues["total"] = ["\(two[0])": .done]
        } else {
            two = expectation.pass(rest, through: "two", from: "right")
        }
        expected = expectation.queues
        effects = ["one": one, "two": two, "notify": [1]]
    }

    /// Nothing but what the values themselves and the faults do may end a stage.
    private static func finished(_ stage: any PipelineStage, _ scene: SimulatedScene) -> any PipelineStage {
        let retry = RetryPolicy(attempts: 3, base: .milliseconds(300), cap: .seconds(2))
        let stage = stage.retry(retry).breaker(.off).maxDead(.any).crashes(100).timeout(SimulatedFunctions.timeout)
        let spec = stage.definition.spec
        // A whole input, and what comes after others, is one worker's.
        guard !spec.takesAll, spec.after.isEmpty else { return stage }
        let shared = spec.input == nil && spec.shards.count < 2 ? stage : stage.workers(scene.number(1...2))
        return spec.input != nil && scene.isLucky(25) ? shared.capacity(scene.number(2...6)) : shared
    }

    private static func source(_ count: Int, _ scene: SimulatedScene) -> any PipelineStage {
        let time = scene.time
        switch scene.number(0...2) {
        case 0:
            return Producer("source", to: raw, shards: ["a", "b"]) { (shard: ShardName, cursor: Int?) in
                let values = shard == "a" ? 0..<(count / 2) : (count / 2)..<count
                return values.drop { $0 <= cursor ?? -1 }.map { Sourced($0, cursor: $0) }
            }.batch(3)
        case 1:
            let pause = Duration.milliseconds(scene.number(1...400))
            return Producer("source", to: raw) { (cursor: Int?) in
                SimulatedFeed(values: ((cursor ?? -1) + 1)..<count, time: time, pause: pause)
            }.batch(scene.number(1...5))
        default: return Producer("source", to: raw, repeating: { 0..<count }).batch(scene.number(1...5))
        }
    }

    private static func made(of value: Int) -> [Int] { (0..<[1, 2, 0, 1][value % 4]).map { value * 10 + $0 } }

    private static func work(_ functions: SimulatedFunctions) -> any PipelineStage {
        let batch = functions.scene.number(1...6)
        let single: @Sendable (Int) async throws -> [Int] = { value in
            try await functions.work(on: value, in: "work")
            return made(of: value)
        }
        switch functions.scene.number(0...5) {
        case 0: return Transformer("work", from: raw, to: made, single).batch(batch)
        case 1: return Transformer("work", from: raw, to: made, single).concurrency(3).batch(batch)
        case 2:
            return Transformer("work", from: raw, to: made, single).concurrency(2, outputs: .asFinished).batch(batch)
        case 3:
            return Transformer(
                "work", from: raw, to: made,
                batch: { (values: [Int]) -> [Int] in
                    for value in values { try await functions.work(on: value, in: "work") }
                    return values.flatMap(made(of:))
                }
            ).batch(batch)
        default:
            let throwsAll = functions.scene.isLucky(50)
            return Transformer(
                "work", from: raw, to: made,
                stream: { (stream: StageStream<Int, Int>) in
                    for try await window in stream.batches(of: 4, within: .milliseconds(400)) {
                        var through: [StageItem<Int>] = []
                        for item in window {
                            do {
                                try await functions.work(on: item.value, in: "work")
                                through.append(item)
                            } catch let error where !throwsAll && !(error is CancellationError) {
                                try await stream.fail(item, error)
                            }
                        }
                        guard !through.isEmpty else { continue }
                        try await stream.put(through.flatMap { made(of: $0.value) }, answering: through)
                    }
                }
            ).batch(batch)
        }
    }

    private static func route(_ functions: SimulatedFunctions) -> any PipelineStage {
        Transformer("route", from: made, routes: [left, right]) { (value: Int) in
            try await functions.work(on: value, in: "route")
            let due: Due = value % 5 == 0 ? .after(.milliseconds(1500)) : .now
            return try .to(value % 2 == 0 ? left : right, value, due: due)
        }.batch(functions.scene.number(1...4))
    }

    private static func consumer(
        _ name: StageName, from queue: QueueReference<Int>, _ functions: SimulatedFunctions
    ) -> any PipelineStage {
        let single: @Sendable (Int) async throws -> Void = { value in
            try await functions.work(on: value, in: name.rawValue)
            functions.effect(of: value, in: name.rawValue)
        }
        let consumer = Consumer(name, from: queue, single).batch(functions.scene.number(1...4))
        return functions.scene.isLucky(30) ? consumer.concurrency(2) : consumer
    }

    /// Follows the values through the stages, as the functions say.
    private struct Expectation {
        var queues: [QueueName: [String: ItemState]] = [:]
        let functions: SimulatedFunctions

        init(_ functions: SimulatedFunctions) { self.functions = functions }

        mutating func pass(_ values: [Int], through stage: String, from queue: QueueName) -> [Int] {
            var through: [Int] = []
            for value in values {
                let isDead = functions.isPoisonous(value, in: stage)
                queues[queue, default: [:]]["\(value)"] = isDead ? .dead : .done
                if !isDead { through.append(value) }
            }
            return through
        }
    }
}
