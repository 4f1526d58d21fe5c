/// What a stage does with queues.
public enum StageKind: String, Sendable, Hashable, Codable, CaseIterable {
    /// No input.
    case producer
    /// Input and outputs.
    case transformer
    /// Input only.
    case consumer
    /// A queue on its own, of the same name: whoever claims from it is its consumer, and no pipeline runs it.
    case queue
}

/// A stage as a store knows it: its edges and its rules, without its code.
public struct StageSpec: Sendable, Hashable, Codable {
    public var name: StageName
    public var kind: StageKind
    public var input: QueueName?
    public var outputs: [QueueName]
    /// The stages that must be complete before it runs, once.
    public var after: [StageName]
    /// Whether its whole input is one unit, worked on when the input is closed.
    public var takesAll: Bool
    /// A producer's slices; empty for the others.
    public var shards: [ShardName]
    public var policy: StagePolicy

    public init(
        _ name: StageName,
        kind: StageKind,
        input: QueueName? = nil,
        outputs: [QueueName] = [],
        after: [StageName] = [],
        takesAll: Bool = false,
        shards: [ShardName] = [],
        policy: StagePolicy = StagePolicy()
    ) {
        self.name = name
        self.kind = kind
        self.input = input
        self.outputs = outputs
        self.after = after
        self.takesAll = takesAll
        self.shards = input == nil && shards.isEmpty ? [.whole] : shards
        self.policy = policy
    }

    /// A queue on its own, as the stage of the same name that its takers stand for.
    public init(queue: QueueName, policy: StagePolicy = .queue) {
        self.init(StageName(of: queue), kind: .queue, input: queue, policy: policy)
    }

    /// Whether it has an ending row: its completion can't be read off its items.
    public var hasEnding: Bool { takesAll || (input == nil && kind != .producer) || !after.isEmpty }
}

/// A pipeline as a store knows it: stages in topological order, and the queues between them. The queues that are there
/// on their own, beside a pipeline or without one, are part of it.
public struct Plan: Sendable, Hashable, Codable {
    /// `nil` when there are only queues on their own.
    public let pipeline: String?
    /// Those of the run, which does not change them.
    public let parameters: Parameters
    /// In topological order; the members of a cycle stand together.
    public let stages: [StageSpec]
    /// Groups of stages that complete together: a stage alone, or a cycle. In topological order.
    public let units: [[StageName]]

    /// Checks the stages against each other and puts them in order.
    ///
    /// - Throws: ``LeatError/Code/invalidPipeline``.
    public init(pipeline: String?, stages: [StageSpec], parameters: Parameters = [:]) throws {
        try Self.check(stages)
        let units = Self.order(stages)
        self.pipeline = pipeline
        self.parameters = parameters
        self.units = units.map { unit in unit.map { stages[$0].name } }
        self.stages = units.flatMap { unit in unit.map { stages[$0] } }
    }

    /// Every queue, in the order of the stages that write them.
    public var queues: [QueueName] {
        var seen: Set<QueueName> = []
        return stages.flatMap { $0.outputs + ($0.input.map { [$0] } ?? []) }.filter { seen.insert($0).inserted }
    }

    /// The stages that belong to the pipeline.
    public var pipelineStages: [StageSpec] { stages.filter { $0.kind != .queue } }

    /// The same with one more queue on its own.
    ///
    /// - Throws: ``LeatError/Code/invalidPipeline`` when a stage has its name.
    public func adding(_ queue: StageSpec) throws -> Plan {
        try Plan(pipeline: pipeline, stages: stages + [queue], parameters: parameters)
    }

    public func stage(_ name: StageName) -> StageSpec? { stages.first { $0.name == name } }

    /// The stage that takes from a queue.
    public func consumer(of queue: QueueName) -> StageSpec? { stages.first { $0.input == queue } }

    /// The stages that put into a queue.
    public func producers(of queue: QueueName) -> [StageSpec] { stages.filter { $0.outputs.contains(queue) } }

    /// The queues that a stage puts into and that may be full, each with what it may hold.
    ///
    /// Queues between the stages of one cycle are left out: they would wait for each other.
    public func boundedOutputs(of stage: StageSpec) -> [(queue: QueueName, capacity: Int, countsHeld: Bool)] {
        stage.outputs.compactMap { queue in
            guard let taker = consumer(of: queue), let capacity = taker.policy.capacity,
                !units.contains(where: { $0.contains(stage.name) && $0.contains(taker.name) })
            else { return nil }
            return (queue, capacity, taker.policy.countsHeld)
        }
    }

    /// The stages that a stage waits for: those that feed its queue, and those it comes after.
    public func upstream(of stage: StageSpec) -> [StageSpec] {
        (stage.input.map(producers(of:)) ?? []) + stage.after.compactMap { self.stage($0) }
    }

    /// All that a stage depends on, however far up, itself left out.
    package func dependencies(of name: StageName) -> [StageSpec] {
        var reached: Set<StageName> = [name]
        var open = stage(name).map(upstream) ?? []
        while let next = open.popLast() {
            if reached.insert(next.name).inserted { open += upstream(of: next) }
        }
        return stages.filter { reached.contains($0.name) && $0.name != name }
    }

    /// All that depends on a stage, however far down, itself left out.
    public func downstream(of name: StageName) -> [StageSpec] {
        var reached: Set<StageName> = [name]
        var grew = true
        while grew {
            grew = false
            for stage in stages where !reached.contains(stage.name) {
                if upstream(of: stage).contains(where: { reached.contains($0.name) }) {
                    reached.insert(stage.name)
                    grew = true
                }
            }
        }
        return stages.filter { reached.contains($0.name) && $0.name != name }
    }

    private static func check(_ stages: [StageSpec]) throws {
        func refuse(_ message: String) -> LeatError { LeatError(.invalidPipeline, message) }
        var names: Set<StageName> = []
        var inputs: [QueueName: StageName] = [:]
        for stage in stages {
            guard names.insert(stage.name).inserted else {
                throw refuse(
                    "Two stages are named '\(stage.name)'; a stage's name is its identity, so give one another.")
            }
            if let input = stage.input {
                if let other = inputs.updateValue(stage.name, forKey: input) {
                    throw refuse(
                        "Queue '\(input)' is taken from by '\(other)' and '\(stage.name)'; a queue has one consuming stage: give each a queue of its own and put into both."
                    )
                }
            }
        }
        let written = Set(stages.flatMap(\.outputs))
        for stage in stages {
            if let input = stage.input, stage.kind != .queue, !written.contains(input) {
                throw refuse("Stage '\(stage.name)' takes from queue '\(input)', which no stage puts into.")
            }
            for output in stage.outputs where inputs[output] == nil {
                throw refuse("Stage '\(stage.name)' puts into queue '\(output)', which no stage takes from.")
            }
            for earlier in stage.after where !names.contains(earlier) || earlier == stage.name {
                throw refuse(
                    "Stage '\(stage.name)' is to come after '\(earlier)', which is no other stage of this pipeline.")
            }
            if stage.input != nil, !stage.after.isEmpty {
                throw refuse(
                    "Stage '\(stage.name)' takes from a queue and is to come after other stages as well; make it a consumer of the queue or a stage that comes after, not both."
                )
            }
            if stage.takesAll, stage.outputs.contains(where: { $0 == stage.input }) {
                throw refuse("Stage '\(stage.name)' waits for all of a queue that it puts into itself.")
            }
        }
        for unit in order(stages) where unit.count > 1 {
            for index in unit where stages[index].takesAll || !stages[index].after.isEmpty {
                throw refuse(
                    "Stage '\(stages[index].name)' waits for the end of something that waits for it in turn; take it out of the cycle."
                )
            }
        }
    }

    /// Tarjan's strongly connected components, which come out in reverse topological order.
    private static func order(_ stages: [StageSpec]) -> [[Int]] {
        var takers: [QueueName: Int] = [:]
        var followers: [StageName: [Int]] = [:]
        for (index, stage) in stages.enumerated() {
            if let input = stage.input { takers[input] = index }
            for earlier in stage.after { followers[earlier, default: []].append(index) }
        }
        let successors = stages.map { stage in
            Set(stage.outputs.compactMap { takers[$0] } + (followers[stage.name] ?? [])).sorted()
        }
        var index = 0
        var indices = [Int?](repeating: nil, count: stages.count)
        var low = [Int](repeating: 0, count: stages.count)
        var stack: [Int] = []
        var isOnStack = [Bool](repeating: false, count: stages.count)
        var components: [[Int]] = []
        func visit(_ node: Int) {
            indices[node] = index
            low[node] = index
            index += 1
            stack.append(node)
            isOnStack[node] = true
            for next in successors[node] {
                if let seen = indices[next] {
                    if isOnStack[next] { low[node] = min(low[node], seen) }
                } else {
                    visit(next)
                    low[node] = min(low[node], low[next])
                }
            }
            if low[node] == indices[node] {
                var component: [Int] = []
                repeat {
                    let member = stack.removeLast()
                    isOnStack[member] = false
                    component.append(member)
                    if member == node { break }
                } while true
                components.append(component.sorted())
            }
        }
        // Backwards, so that stages that do not depend on each other keep the order in which they were written.
        for node in stages.indices.reversed() where indices[node] == nil { visit(node) }
        return components.reversed()
    }
}
