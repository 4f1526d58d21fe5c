internal import Dispatch
internal import Leat
internal import Synchronization

/// The steps of this process that wait for the writer's connection. Those that wait together are committed together:
/// one sync for all of them (group commit).
///
/// Those whose steps were committed together come again with their next ones, a little one after the other. The first of
/// them waits for the others, as many as there were, or else its sync would be for itself alone; but no longer than a
/// fraction of what a sync takes. Where they have come in time for long, who looks after those who wait in vain comes by
/// more rarely.
final class StepQueue: Sendable {
    /// What is to be done by whoever has added a step, or has taken some.
    enum Call: Sendable, Hashable {
        /// Nothing: somebody else takes what waits.
        case none
        /// The connection is the caller's: take the steps, on this thread.
        case here
        /// The same on the writer's thread, since it lasts too long for a thread of the pool.
        case onThread
        /// Look again (``lookAgain()``) after that time.
        case later(Duration)
    }

    private let state = Mutex(State())
    /// A thread of its own: where tasks compute, others are not to wait for the pool's.
    let timer = DispatchQueue(label: "leat.crowd")

    private struct State {
        var waiting: [PendingStep] = []
        /// Whether somebody has the connection, who looks here when he is done.
        var isTaken = false
        /// Somebody will look again, since when so many transactions were over.
        var awaited: Int?
        /// How many transactions are over.
        var taken = 0
        /// How many steps were there when the last ones were committed, these included: so many are awaited.
        var crowd = 0
        /// How long a thread of the pool that tasks run on may be held up.
        var short = StepQueue.short
        /// How long a transaction has taken of late; at first too long.
        var usual = Duration.milliseconds(2)
        /// So many times in a row all others came in time.
        var inTime = 0
        /// How many that is the mean of, the first guess included: at most so many of late.
        var measured = 1

        var isShort: Bool { usual < short }

        mutating func next() -> Call {
            guard !isTaken, let first = waiting.first else { return .none }
            // What shares its transaction with nobody waits for nobody.
            if waiting.count >= crowd || !first.isShareable {
                isTaken = true
                inTime = crowd > 1 ? inTime + 1 : 0
                return isShort && waiting.allSatisfy(\.isShareable) ? .here : .onThread
            }
            if awaited != nil { return .none }
            awaited = taken
            // Setting a timer wakes a thread, and so does its end: where all come in time, one is set for many transactions.
            let time = inTime < StepQueue.sure ? usual / 4 : usual * 8
            return .later(min(max(time, StepQueue.least), StepQueue.patience))
        }
    }

    func add(_ step: PendingStep) -> Call {
        state.withLock { state in
            state.waiting.append(step)
            return state.next()
        }
    }

    func lookAgain() -> Call {
        state.withLock { state in
            let isOld = state.awaited == state.taken
            state.awaited = nil
            guard !state.isTaken, !state.waiting.isEmpty else { return .none }
            // Those that wait now have not done so for long.
            guard isOld else { return state.next() }
            state.isTaken = true
            state.inTime = 0
            return .onThread
        }
    }

    /// Takes the connection for a step alone, if nobody has it or wants it, and it is likely to take a short time.
    func takeAlone() -> Bool {
        state.withLock { state in
            guard !state.isTaken, state.waiting.isEmpty, state.crowd < 2, state.isShort else { return false }
            state.isTaken = true
            return true
        }
    }

    /// The next steps to be taken in one transaction: several only if each of them may share it.
    func group() -> [PendingStep] {
        state.withLock { state in
            let isShared = state.waiting.first?.isShareable ?? false
            let count = isShared ? state.waiting.prefix(Self.most).prefix(while: \.isShareable).count : 1
            defer { state.waiting.removeFirst(min(count, state.waiting.count)) }
            return Array(state.waiting.prefix(count))
        }
    }

    /// Puts back, before all others, what was not begun.
    func putBack(_ steps: some Collection<PendingStep>) {
        state.withLock { $0.waiting.insert(contentsOf: steps, at: 0) }
    }

    /// So many steps have been taken together, and are about to be answered. Whoever is may come again at once: those who
    /// wait already are counted before.
    func willAnswer(_ count: Int) {
        state.withLock { $0.crowd = count + $0.waiting.count }
    }

    /// The steps have been taken; the connection is free again.
    ///
    /// - Parameter duration: how long they took; `nil`: it tells nothing of others.
    func release(after duration: Duration?) -> Call {
        state.withLock { state in
            state.isTaken = false
            state.taken += 1
            guard let duration else { return state.next() }
            state.measured = min(state.measured + 1, 8)
            state.usual += (duration - state.usual) / state.measured
            return state.next()
        }
    }

    /// How long a thread of the pool that tasks run on may be held up: little, since others may want it, unless it is known
    /// that nobody does.
    var short: Duration {
        get { state.withLock { $0.short } }
        set { state.withLock { $0.short = newValue } }
    }

    /// How many wait.
    var waiting: Int { state.withLock { $0.waiting.count } }

    /// How long at most a timer is set for others to come, and at least, as it costs something itself. A step whose others do
    /// not come waits for up to two of them: one may have been set for an earlier transaction.
    private static let patience = Duration.milliseconds(2)
    private static let least = Duration.microseconds(100)
    /// Those that came in time so often will again.
    private static let sure = 8
    /// In one transaction.
    private static let most = 256
    /// Enough for a sync by a disk with a cache that survives a power cut, or none at all.
    private static let short = Duration.milliseconds(1)
}

/// A step on its way to the writer's thread, and its answer on the way back.
// @unchecked: who made it hands it over; it is touched on the writer's thread only.
class PendingStep: @unchecked Sendable {
    /// What its commit is to survive.
    let durability: Durability
    /// Whether it arms the checkpointer.
    let isWork: Bool
    let sharing: Sharing

    /// Whether a step may have its transaction together with others.
    enum Sharing: Sendable, Hashable {
        /// It calls only Leat's own code, so that it may be done again when another one has failed.
        case allowed
        case alone
        /// It calls a user's function, which may have asked GRDB to be told of the commit.
        case users
    }

    init(durability: Durability, isWork: Bool, sharing: Sharing) {
        self.durability = durability
        self.isWork = isWork
        self.sharing = sharing
    }

    var isShareable: Bool { sharing == .allowed }

    func run(in transaction: Transaction) throws { preconditionFailure("a step is an AnsweredStep") }
    /// It is committed: tells whoever waits.
    func answer(on connection: Connection) { preconditionFailure("a step is an AnsweredStep") }
    /// Tells whoever waits why it is not committed.
    func fail(_ error: any Error) { preconditionFailure("a step is an AnsweredStep") }
}

/// One whose answer somebody waits for.
// @unchecked: as every step.
final class AnsweredStep<Result: Sendable, Answer: Sendable>: PendingStep, @unchecked Sendable {
    private let work: @Sendable (Transaction) throws -> Result
    private let then: @Sendable (Result, Connection) throws -> Answer
    private let waiting: CheckedContinuation<Answer, any Error>
    private var result: Result?

    init(
        durability: Durability, isWork: Bool, sharing: Sharing,
        work: @escaping @Sendable (Transaction) throws -> Result,
        then: @escaping @Sendable (Result, Connection) throws -> Answer,
        waiting: CheckedContinuation<Answer, any Error>
    ) {
        self.work = work
        self.then = then
        self.waiting = waiting
        super.init(durability: durability, isWork: isWork, sharing: sharing)
    }

    override func run(in transaction: Transaction) throws { result = try work(transaction) }

    override func answer(on connection: Connection) {
        waiting.resume(
            with: Swift.Result {
                guard let result else { throw LeatError(.storeFailed, "A step was committed without being taken.") }
                return try then(result, connection)
            })
    }

    override func fail(_ error: any Error) { waiting.resume(throwing: error) }
}
