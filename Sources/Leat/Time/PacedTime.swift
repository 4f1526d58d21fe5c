/// A time source that also says when a wait is over: a simulated clock goes on only when nobody has anything to do.
///
/// The engine waits through ``TimeSource/sleep(for:)`` and sets its deadlines by ``TimeSource/now``. Under any other
/// time source these are the host's: a test that only sets the readings of a clock does not hold up the waits.
package protocol PacedTime: TimeSource {
    /// By what deadlines are set; it never jumps, whatever the readings do.
    var now: ContinuousClock.Instant { get }
    /// - Throws: `CancellationError`, as soon as the task is cancelled.
    func sleep(for duration: Duration) async throws
}

extension TimeSource {
    /// By what deadlines are set.
    package var now: ContinuousClock.Instant { (self as? any PacedTime)?.now ?? .now }

    /// Lets the task wait.
    ///
    /// - Throws: `CancellationError`, as soon as the task is cancelled.
    package func sleep(for duration: Duration) async throws {
        guard let paced = self as? any PacedTime else { return try await Task.sleep(for: duration) }
        try await paced.sleep(for: duration)
    }
}
