package import Leat

/// How many items each shard of a producer may put in all, those of earlier runs included.
package struct ProducerLimit: Sendable, Hashable {
    package let items: Int

    package init(_ items: Int) { self.items = items }

    /// The producers that have something left to put, and none of whose shards may put it.
    ///
    /// - Parameter shards: how far they are. What is at its limit stays there, so whoever reads them before the stages'
    ///   statuses may judge these by it.
    package func spent(_ shards: [ShardRecord]) -> Set<StageName> {
        Set(
            Dictionary(grouping: shards, by: \.id.stage).filter { _, shards in
                let unfinished = shards.filter { !$0.isComplete }
                return !unfinished.isEmpty && unfinished.allSatisfy { $0.emitted >= Int64(items) }
            }.keys)
    }
}
