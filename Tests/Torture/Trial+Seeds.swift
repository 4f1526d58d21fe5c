import Synchronization

extension Trial {
    /// The seeds of its tries: the first is the trial's own, so that a failing one is found again under `LEAT_SEED`.
    public var seeds: Range<UInt64> {
        let first = seed & .max >> 1
        return first..<(first + UInt64(count))
    }

    /// Tries each seed, two at a time: each try keeps one core busy.
    ///
    /// - Throws: what the first try that fails throws; no other is begun then.
    public func tryAll(_ body: @escaping @Sendable (UInt64) async throws -> Void) async throws {
        let left = SeedsLeft(seeds)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    while !Task.isCancelled, let seed = left.next() { try await body(seed) }
                }
            }
            try await group.waitForAll()
        }
    }

    private final class SeedsLeft: Sendable {
        private let left: Mutex<Range<UInt64>>

        init(_ seeds: Range<UInt64>) { left = Mutex(seeds) }

        func next() -> UInt64? { left.withLock { $0.popFirst() } }
    }
}
