/// How a worker calls its stage's function: plainly, or observed.
struct StageCall: Sendable {
    private let observation: Observation?
    private let stage: StageName
    private let queue: QueueName?

    init(_ stage: StageSpec, _ observation: Observation?) {
        self.observation = observation
        self.stage = stage.name
        queue = stage.input
    }

    /// Whether it is nothing but the call itself.
    var isPlain: Bool { observation == nil }

    /// On one item; what it appends to the outputs carries its trace.
    func callAsFunction(
        _ body: @Sendable (Item, inout [Output]) async throws -> Void, _ item: Item, _ outputs: inout [Output]
    ) async throws {
        guard let observation, let queue else { return try await body(item, &outputs) }
        let mark = outputs.count
        try await observation.calling(item, of: stage, from: queue) {
            try await body(item, &outputs)
            observation.sendTrace(with: &outputs, from: mark)
        }
    }

    /// On one item, inside the store's transaction.
    func callAsFunction(_ item: Item, inTransaction body: () throws -> [Output]) throws -> [Output] {
        guard let observation, let queue else { return try body() }
        return try observation.calling(
            item, of: stage, from: queue, inTransaction: { try sending(body(), observation) })
    }

    /// On several items.
    func callAsFunction(batch items: [Item], _ body: () async throws -> [Output]) async throws -> [Output] {
        guard let observation else { return try await body() }
        return try await observation.calling(batch: items, of: stage, from: queue) {
            try await sending(body(), observation)
        }
    }

    /// On several items, inside the store's transaction.
    func callAsFunction(batch items: [Item], inTransaction body: () throws -> [Output]) throws -> [Output] {
        guard let observation else { return try body() }
        return try observation.calling(
            batch: items, of: stage, from: queue, inTransaction: { try sending(body(), observation) })
    }

    private func sending(_ outputs: [Output], _ observation: Observation) -> [Output] {
        var outputs = outputs
        observation.sendTrace(with: &outputs, from: 0)
        return outputs
    }
}
