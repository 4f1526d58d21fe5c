internal import Leat

/// The few shapes of pipelines that the model is run on.
enum ModelPlans {
    static func random(using generator: inout SeededGenerator, _ profile: ModelProfile) throws -> Plan {
        func policy() -> StagePolicy {
            let policy = StagePolicy.random(using: &generator)
            return profile == .clocks ? policy.withoutWaits : policy
        }
        let shards: [ShardName] = Bool.random(using: &generator) ? [] : ["a", "b"]
        let source = StageSpec("source", kind: .producer, outputs: ["raw"], shards: shards, policy: policy())
        let work = StageSpec("work", kind: .transformer, input: "raw", outputs: ["made"], policy: policy())
        func consumer(_ name: StageName, _ input: QueueName, takesAll: Bool = false) -> StageSpec {
            StageSpec(name, kind: .consumer, input: input, takesAll: takesAll, policy: policy())
        }
        let stages: [StageSpec]
        switch Int.random(in: 0...5, using: &generator) {
        case 0:
            let more = StageSpec("more", kind: .transformer, input: "made", outputs: ["end"], policy: policy())
            stages = [source, work, more, consumer("last", "end")]
        case 1:
            let other = StageSpec("other", kind: .producer, outputs: ["raw"], policy: policy())
            stages = [source, other, work, consumer("last", "made")]
        case 2:
            let route = StageSpec(
                "work", kind: .transformer, input: "raw", outputs: ["left", "right"], policy: policy())
            let after = StageSpec("notify", kind: .consumer, after: ["one", "two"], policy: policy())
            stages = [source, route, consumer("one", "left"), consumer("two", "right"), after]
        case 3:
            let back = StageSpec("back", kind: .transformer, input: "made", outputs: ["raw", "end"], policy: policy())
            stages = [source, work, back, consumer("last", "end")]
        case 4:
            let after = StageSpec("notify", kind: .consumer, after: ["total"], policy: policy())
            stages = [source, work, consumer("total", "made", takesAll: true), after]
        default:
            let sort = StageSpec(
                "sort", kind: .transformer, input: "made", outputs: ["end"], takesAll: true, policy: policy())
            stages = [source, work, sort, consumer("last", "end")]
        }
        return try Plan(pipeline: "model", stages: stages)
    }
}

extension StagePolicy {
    static func random(using generator: inout SeededGenerator) -> StagePolicy {
        func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
        // No jitter: the model could not know in which order a store draws its chances.
        let retry = RetryPolicy(
            attempts: number(1...3), base: [.zero, .milliseconds(400)][number(0...1)], cap: .seconds(1), jitter: 0,
            kills: number(1...3))
        let tolerance: Tolerance = [.any, .any, .atMost(1), .percent(30)][number(0...3)]
        let breaker =
            number(0...1) == 0 ? Breaker(firstAllDead: 2, leastSettled: 4, window: Int64(number(5...7))) : .off
        return StagePolicy(retry: retry, maxDead: tolerance, breaker: breaker, crashes: number(2...4))
    }
}
