import Leat
import Testing

/// A store reduced to what completion is judged by: rows and counts, and every event in a transaction of its own.
private struct FakeFacts: CompletionFacts, Hashable {
    func isSealed(_ queue: QueueName) throws -> Bool { true }
    struct Row: Hashable {
        var stage: StageName
        var queue: QueueName
    }

    var shardsLeft: [StageName: Int] = [:]
    var rows: Set<Row> = []
    var unsettled: [QueueName: Int] = [:]
    var failed: Set<StageName> = []
    var ended: Set<StageName> = []
    /// In the order in which they were written.
    var written: [Row] = []

    func hasCompletion(of stage: StageName, on queue: QueueName) -> Bool {
        rows.contains(Row(stage: stage, queue: queue))
    }
    func isExhausted(_ queue: QueueName) -> Bool { unsettled[queue, default: 0] == 0 }
    func isFailed(_ stage: StageSpec) -> Bool { failed.contains(stage.name) }
    func hasEnded(_ stage: StageName) -> Bool { ended.contains(stage) }

    mutating func complete(_ stage: StageName, on queue: QueueName) {
        rows.insert(Row(stage: stage, queue: queue))
        written.append(Row(stage: stage, queue: queue))
    }
}

/// What may happen next in a pipeline; every order of these is walked.
private enum Event: Hashable {
    /// A shard puts one item.
    case put(StageName, QueueName)
    /// A shard ends, by itself or with its last item.
    case end(StageName, QueueName)
    /// An item settles, and gives one output or none.
    case settle(StageName, QueueName, QueueName?)
}

@Suite("Completion")
struct CompletionWalkTests {
    /// Walks every order of two shards' items and ends, and of the work on them, and checks each state.
    ///
    /// - Returns: how many states there are.
    private func walk(_ plan: Plan, items: Int, shards: Int, cyclic: Int = 0) throws -> Int {
        struct World: Hashable {
            var facts = FakeFacts()
            var toPut: [StageName: Int] = [:]
            /// How often the cycle may still feed itself.
            var turns = 0
        }
        var start = World()
        start.turns = cyclic
        for stage in plan.stages where stage.kind == .producer {
            start.facts.shardsLeft[stage.name] = shards
            start.toPut[stage.name] = items
        }
        var seen: Set<World> = [start]
        var open = [start]
        while let world = open.popLast() {
            var events: [Event] = []
            for stage in plan.stages {
                if stage.kind == .producer {
                    let left = world.facts.shardsLeft[stage.name, default: 0]
                    if left > 0, world.toPut[stage.name, default: 0] > 0 {
                        events.append(.put(stage.name, stage.outputs[0]))
                    }
                    if left > 1 || (left == 1 && world.toPut[stage.name] == 0) {
                        events.append(.end(stage.name, stage.outputs[0]))
                    }
                } else if let input = stage.input, world.facts.unsettled[input, default: 0] > 0 {
                    for output in stage.outputs { events.append(.settle(stage.name, input, output)) }
                    events.append(.settle(stage.name, input, nil))
                }
            }
            if events.isEmpty {
                // Nothing is left to happen: then everything has been told, whatever the order was.
                for stage in plan.stages {
                    for queue in stage.outputs {
                        #expect(world.facts.hasCompletion(of: stage.name, on: queue), "\(stage.name) on \(queue)")
                    }
                }
            }
            for event in events {
                var next = world
                switch event {
                case .put(let stage, let queue):
                    next.toPut[stage, default: 0] -= 1
                    next.facts.unsettled[queue, default: 0] += 1
                    #expect(try !CompletionRules.isClosed(queue, in: plan, world.facts), "put into a closed queue")
                case .end(let stage, let queue):
                    next.facts.shardsLeft[stage, default: 0] -= 1
                    if next.facts.shardsLeft[stage] == 0 { next.facts.complete(stage, on: queue) }
                    try CompletionRules.cascade(from: stage, in: plan, &next.facts)
                case .settle(let stage, let input, let output):
                    next.facts.unsettled[input, default: 0] -= 1
                    if let output {
                        // In a cycle a put goes back upstream, so it needs a bound.
                        if plan.units.contains(where: { $0.count > 1 && $0.contains(stage) }) {
                            guard next.turns > 0 else { continue }
                            next.turns -= 1
                        }
                        #expect(try !CompletionRules.isClosed(output, in: plan, world.facts), "put into a closed queue")
                        next.facts.unsettled[output, default: 0] += 1
                    }
                    try CompletionRules.cascade(from: stage, in: plan, &next.facts)
                }
                // The order in which rows were written is history, not state.
                next.facts.written = []
                if seen.insert(next).inserted { open.append(next) }
            }
        }
        return seen.count
    }

    @Test(
        "never closes a queue early and always closes it in the end, in every order of a linear pipeline (invariant 5)")
    func linear() throws {
        let plan = try Plan(
            pipeline: "p",
            stages: [
                PlanTests.producer("source", to: "a"), PlanTests.transformer("one", from: "a", to: "b"),
                PlanTests.transformer("two", from: "b", to: "c"), PlanTests.consumer("end", from: "c"),
            ])

        #expect(try walk(plan, items: 3, shards: 2) > 100)
    }

    @Test("holds for fan-in and fan-out in every order (invariant 5)")
    func fans() throws {
        let plan = try Plan(
            pipeline: "p",
            stages: [
                PlanTests.producer("left", to: "a"), PlanTests.producer("right", to: "a"),
                PlanTests.transformer("split", from: "a", to: "b", "c"),
                PlanTests.transformer("up", from: "b", to: "d"),
                PlanTests.transformer("down", from: "c", to: "d"), PlanTests.consumer("end", from: "d"),
            ])

        #expect(try walk(plan, items: 1, shards: 2) > 100)
    }

    @Test("closes a cycle as one, when no member has anything left (invariant 5)")
    func cycle() throws {
        let plan = try Plan(
            pipeline: "p",
            stages: [
                PlanTests.producer("seed", to: "urls"), PlanTests.transformer("fetch", from: "urls", to: "pages"),
                PlanTests.transformer("links", from: "pages", to: "urls", "texts"),
                PlanTests.consumer("index", from: "texts"),
            ])

        #expect(try walk(plan, items: 2, shards: 2, cyclic: 4) > 100)
    }

    @Test("is told downstream in topological order, in one cascade")
    func order() throws {
        let plan = try Plan(
            pipeline: "p",
            stages: [
                PlanTests.producer("source", to: "a"), PlanTests.transformer("one", from: "a", to: "b"),
                PlanTests.transformer("two", from: "b", to: "c"), PlanTests.consumer("end", from: "c"),
            ])
        var facts = FakeFacts()
        facts.complete("source", on: "a")

        try CompletionRules.cascade(from: "source", in: plan, &facts)

        #expect(facts.written.map(\.queue) == ["a", "b", "c"])
    }

    @Test("is not told by a failed stage, nor by one whose ending is missing")
    func holds() throws {
        let plan = try Plan(
            pipeline: "p",
            stages: [
                PlanTests.producer("source", to: "a"),
                StageSpec("sort", kind: .transformer, input: "a", outputs: ["b"], takesAll: true),
                PlanTests.transformer("two", from: "b", to: "c"), PlanTests.consumer("end", from: "c"),
            ])
        var facts = FakeFacts()
        facts.complete("source", on: "a")

        try CompletionRules.cascade(in: plan, &facts)
        #expect(facts.written.map(\.queue) == ["a"])

        facts.ended = ["sort"]
        facts.failed = ["two"]
        try CompletionRules.cascade(in: plan, &facts)
        #expect(facts.written.map(\.queue) == ["a", "b"])
    }
}
