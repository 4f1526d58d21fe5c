internal import Leat

/// How long a `stream` command may say nothing before its input is closed, so that it writes what it holds back.
///
/// Most programs that write to a pipe write in blocks of some kilobytes, and some read in blocks; the end of their input
/// makes them write the rest, and another process goes on. Whether a command is such a one, or only slow, shows in how soon
/// it answers then: the one is not waited for again, the other is left in peace.
struct HoldBack: Sendable, Hashable {
    /// `nil`: it answers each line by itself, so that its silence has another reason.
    private(set) var patience: Duration? = first

    static let first = Duration.seconds(2)
    static let shortest = Duration.milliseconds(200)

    /// It has answered all that it had while its input was open.
    mutating func answeredAll() { patience = nil }

    /// Its input was closed, and so much later it had answered all.
    ///
    /// - Parameter longest: what its timeout leaves.
    mutating func flushed(after duration: Duration, longest: Duration) {
        guard let patience else { return }
        self.patience = duration < .milliseconds(500) ? Self.shortest : min(patience * 2, longest)
    }
}
