/// Names the worker that looks into a store and waits for its changes, for all tasks that it does so in.
///
/// Without it a worker that claims in one task and waits in a child of it may miss a change that came between.
package enum StoreCaller {
    @TaskLocal package static var worker: WorkerID?
}

/// Counts changes, and keeps those who wait for the next one.
///
/// Many workers share one store, so what each of them has seen is kept by task: one that looked before a change, and
/// waits after it, is told at once, whoever else was told before.
struct MemoryChanges: Sendable {
    typealias Waiter = CheckedContinuation<Void, Never>

    private var version: Int64 = 0
    private var lastNumber: Int64 = 0
    private var waiters: [Int64: Waiter] = [:]
    private var seen: [Caller: Int64] = [:]
    /// What the last that was told has seen: the best guess for a task that has not looked before.
    private var lastTold: Int64 = 0

    /// Who looks, or waits.
    enum Caller: Hashable, Sendable {
        case worker(WorkerID)
        /// The task's number may come again with a later task, which then is told of a change too many.
        case task(Int)
    }

    /// `nil` on a thread without a task.
    static func caller() -> Caller? {
        if let worker = StoreCaller.worker { return .worker(worker) }
        return withUnsafeCurrentTask { $0.map { .task($0.hashValue) } }
    }

    func seen(by caller: Caller?) -> Int64 { caller.flatMap { seen[$0] } ?? lastTold }

    /// The task has just looked, and found nothing to do.
    mutating func note(_ caller: Caller?) {
        guard let caller else { return }
        // Which tasks have ended is not known; forgetting everybody costs each one call that returns early or late.
        if seen.count >= 4096 { seen.removeAll(keepingCapacity: true) }
        seen[caller] = version
    }

    /// The task is about to look again.
    mutating func noteTold(_ caller: Caller?) {
        note(caller)
        lastTold = version
    }

    /// Counts a change.
    ///
    /// - Returns: whom to wake, once the lock is given back.
    mutating func tell() -> [Waiter] {
        version += 1
        guard !waiters.isEmpty else { return [] }
        defer { waiters.removeAll(keepingCapacity: true) }
        return Array(waiters.values)
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
