/// Counts changes, and keeps those who wait for the next one.
struct MemoryChanges: Sendable {
    typealias Waiter = CheckedContinuation<Void, Never>

    private(set) var version: Int64 = 0
    private var lastNumber: Int64 = 0
    private var waiters: [Int64: Waiter] = [:]

    /// Counts a change.
    ///
    /// - Returns: whom to wake, once the lock is given back.
    mutating func tell() -> [Waiter] {
        version += 1
        guard !waiters.isEmpty else { return [] }
        defer { waiters.removeAll(keepingCapacity: true) }
        // In the order in which they came: what follows must not depend on how a dictionary is laid out.
        return waiters.sorted { $0.key < $1.key }.map(\.value)
    }

    mutating func nextNumber() -> Int64 {
        lastNumber += 1
        return lastNumber
    }

    /// - Returns: whether there is anything to wait for.
    mutating func keep(_ waiter: Waiter, _ number: Int64, since seen: Int64) -> Bool {
        guard version <= seen else { return false }
        waiters[number] = waiter
        return true
    }

    mutating func remove(_ number: Int64) -> Waiter? { waiters.removeValue(forKey: number) }
}
