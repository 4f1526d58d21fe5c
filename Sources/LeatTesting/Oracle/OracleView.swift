public import Leat

/// What a store shows of itself, read through the protocol that every store has.
public struct OracleView: Sendable {
    public var plan: Plan
    /// Every item of each queue.
    public var items: [QueueName: [ItemRecord]]
    public var discrepancies: [Discrepancy]
    public var workers: [WorkerRecord]

    public init(
        plan: Plan, items: [QueueName: [ItemRecord]], discrepancies: [Discrepancy] = [], workers: [WorkerRecord] = []
    ) {
        self.plan = plan
        self.items = items
        self.discrepancies = discrepancies
        self.workers = workers
    }

    /// Reads all of it, in pages; nobody should be working meanwhile.
    public init(of store: any Store) async throws {
        guard let plan = try await store.plan() else {
            throw LeatError(.notFound, "The store holds no pipeline and no queue, so there is nothing to check.")
        }
        var items: [QueueName: [ItemRecord]] = [:]
        for queue in plan.queues {
            var found: [ItemRecord] = []
            while true {
                let page = try await store.items(in: queue, after: found.last?.id, limit: 1000)
                if page.isEmpty { break }
                found += page
            }
            items[queue] = found
        }
        self.init(
            plan: plan, items: items, discrepancies: try await store.verify(), workers: try await store.workers())
    }
}
