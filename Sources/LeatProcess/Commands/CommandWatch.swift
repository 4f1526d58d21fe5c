/// When a command has taken too long, and what is done about it then: without a clock or a process.
///
/// Its time runs while something is expected of it, and begins anew with each sign of progress. Who is to end gets SIGTERM,
/// and SIGKILL two seconds later. Time that the worker itself did not see, since it was stopped, is not counted.
package struct CommandWatch: Sendable, Hashable {
    /// Why the worker ended a command.
    package enum Cause: Sendable, Hashable {
        /// What was expected of it did not come in time.
        case timedOut
        /// The worker was told to stop, and it did not come to its end within the grace.
        case stopped
        /// What it did was not what it should do.
        case unwanted
    }

    package enum Action: Sendable, Hashable {
        case none
        case terminate
        case kill
    }

    /// How long a command may go on once its worker is to stop.
    package static let grace = Duration.seconds(5)
    /// How long it may take to end after SIGTERM.
    package static let patience = Duration.seconds(2)

    package private(set) var cause: Cause?
    private let timeout: Duration?
    private var expected: Duration?
    private var stopping: Duration?
    private var ending: Duration?
    private var isDue = false

    package init(timeout: Duration?) {
        self.timeout = timeout
        expected = timeout
    }

    /// Whether the worker is to stop.
    package var isStopping: Bool { stopping != nil }

    /// How long one may sleep before the next ``advance(by:)``.
    package var tick: Duration {
        let shortest = [timeout.map { $0 / 4 }, .milliseconds(250)].compactMap { $0 }.min() ?? .milliseconds(250)
        return max(shortest, .milliseconds(10))
    }

    /// Something is expected of it from now on, or it has shown that it goes on.
    package mutating func expect() { expected = timeout }

    /// Its end is expected, if it takes a minute: also of one that may be silent for ever.
    package mutating func finish() { expected = expected ?? timeout ?? .seconds(60) }

    /// Nothing is expected of it.
    package mutating func rest() { expected = nil }

    /// The worker is to stop.
    package mutating func stop() { if stopping == nil { stopping = Self.grace } }

    /// It is to end now.
    package mutating func end(_ cause: Cause) {
        guard self.cause == nil else { return }
        self.cause = cause
        isDue = true
    }

    /// Time has passed.
    package mutating func advance(by duration: Duration) -> Action {
        let seen = min(duration, tick * 2)
        if let left = expected {
            expected = left - seen
            if left <= seen { end(.timedOut) }
        }
        if let left = stopping {
            stopping = left - seen
            if left <= seen { end(.stopped) }
        }
        if isDue {
            isDue = false
            ending = Self.patience
            return .terminate
        }
        guard let left = ending else { return .none }
        ending = left > seen ? left - seen : nil
        return ending == nil ? .kill : .none
    }
}
