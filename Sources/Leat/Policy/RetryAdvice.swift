/// What is to become of an item whose function threw.
public enum RetryAdvice: Sendable, Hashable {
    /// As the stage's ``RetryPolicy`` says: an attempt is spent, and the item backs off.
    case backOff
    /// An attempt is spent, and the item waits exactly so long: the other side has said when to come back.
    case after(Duration)
    /// No attempt is spent, and the item waits exactly so long: what failed is not the item's fault, as when a service
    /// is down or counts its callers. Nothing bounds how often.
    ///
    /// Of a batch that failed as a whole all items wait, and none is suspected.
    case postpone(Duration)
    /// No attempt can mend it: the item is dead at once.
    case never
}

/// An error that says what is to become of its item.
///
/// ```swift
/// struct Throttled: AdvisingError {
///     let seconds: Int  // the answer's Retry-After
///     var retryAdvice: RetryAdvice { .postpone(.seconds(seconds)) }
/// }
/// ```
///
/// Of errors that are not yours a stage decides by ``PipelineStage/onError(_:)``. Any other error means
/// ``RetryAdvice/backOff``.
public protocol AdvisingError: Error {
    var retryAdvice: RetryAdvice { get }
}

/// An error that no further attempt can mend: its item is dead at once, with this reason.
///
/// ```swift
/// guard let departure = Int(row[4]) else { throw PermanentError("no departure time in '\(row)'") }
/// ```
public struct PermanentError: AdvisingError, CustomStringConvertible {
    public let description: String
    public init(_ reason: String) { description = reason }

    public var retryAdvice: RetryAdvice { .never }
}

/// An error that says when to come back.
///
/// ```swift
/// throw RetryError("429 from the rates' service", .postpone(.seconds(30)))
/// ```
public struct RetryError: AdvisingError, CustomStringConvertible {
    public let description: String
    public let retryAdvice: RetryAdvice

    public init(_ reason: String, _ advice: RetryAdvice) {
        description = reason
        retryAdvice = advice
    }
}

/// An error that no item is to blame for: the stage itself is broken, whatever it works on.
///
/// What was done before it is committed, what was in hand is handed back uncharged, and the stage's own failures are counted
/// (``PipelineStage/crashes(_:)``); one that no repetition can mend fails the stage at once.
///
/// ```swift
/// guard let key = ProcessInfo.processInfo.environment["API_KEY"] else {
///     throw StageError("API_KEY is not set", .never)
/// }
/// ```
public struct StageError: AdvisingError, CustomStringConvertible {
    public let description: String
    public let retryAdvice: RetryAdvice
    /// What is left to look at of what found it out.
    public let evidence: Evidence?

    public init(_ reason: String, _ advice: RetryAdvice = .backOff, evidence: Evidence? = nil) {
        description = reason
        retryAdvice = advice
        self.evidence = evidence
    }
}

extension Failure {
    /// How long the item waits before its next attempt.
    ///
    /// - Parameters:
    ///   - policy: its stage's, for whoever is advised to back off.
    ///   - number: how many of its attempts have failed, this one included.
    ///   - chance: a number in `0..<1`, for jitter; drawn only when it is needed.
    public func delay(by policy: RetryPolicy, after number: Int, chance: @autoclosure () -> Double) -> Duration {
        switch advice {
        case .after(let delay), .postpone(let delay): max(delay, .zero)
        case .backOff, .never: policy.delay(afterFailure: number, chance: chance())
        }
    }
}
