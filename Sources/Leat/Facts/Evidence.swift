/// What a failed attempt has left to look at, beside its error: of a command, how it ended and its last words.
public struct Evidence: Sendable, Hashable, Codable {
    /// The status that the command exited with; 128 and the signal's number, as shells count, if a signal ended it.
    public var exitStatus: Int32?
    /// How long the attempt took.
    public var duration: Duration?
    /// The end of what it wrote on standard error, at most ``limit`` bytes.
    public var errorOutput: String?

    /// How many bytes of standard error are kept of an attempt.
    public static let limit = 16 << 10

    public init(exitStatus: Int32? = nil, duration: Duration? = nil, errorOutput: String? = nil) {
        self.exitStatus = exitStatus
        self.duration = duration
        self.errorOutput = errorOutput
    }
}

/// An error that brings evidence; it is kept with the attempt.
public protocol EvidentError: Error {
    var evidence: Evidence { get }
}
