/// How often and how soon an item is tried again.
///
/// The n-th failure waits `base · 2ⁿ⁻¹`, at most `cap`, of which up to `jitter` (a
/// share) is taken off at random, so that items that failed together do not come
/// back together.
public struct RetryPolicy: Sendable, Hashable, Codable {
    /// How many times an item may be to blame before it is dead. At least 1.
    public var attempts: Int
    public var base: Duration
    public var cap: Duration
    /// The share of a delay that chance may take off, in `0...1`.
    public var jitter: Double
    /// How many deaths by SIGKILL an item that stood alone may be part of.
    ///
    /// They can't be told from the memory killer's, nor from an operator's, so they have a budget of their own.
    public var kills: Int

    public init(
        attempts: Int = 3,
        base: Duration = .milliseconds(500),
        cap: Duration = .seconds(60),
        jitter: Double = 0.5,
        kills: Int = 10
    ) {
        precondition(attempts >= 1 && kills >= 1, "an item must be allowed at least one attempt")
        precondition((0...1).contains(jitter), "jitter is a share between 0 and 1")
        self.attempts = attempts
        self.base = base
        self.cap = cap
        self.jitter = jitter
        self.kills = kills
    }

    /// One attempt, no second.
    public static let never = RetryPolicy(attempts: 1)

    /// How long to wait after the given failure (1 is the first), with `chance` in `0..<1`.
    public func delay(afterFailure number: Int, chance: Double) -> Duration {
        let doublings = Double(min(max(number - 1, 0), 40))
        let whole = min(base.seconds * exp2(doublings), cap.seconds)
        return .milliseconds(Int64((whole * (1 - jitter * chance) * 1000).rounded()))
    }
}

private func exp2(_ power: Double) -> Double { Double(sign: .plus, exponent: Int(power), significand: 1) }

/// How many dead letters a stage may end with and still be complete (with errors).
public enum Tolerance: Sendable, Hashable, Codable {
    case any
    case atMost(Int)
    /// A share of all the stage's items, in per cent.
    case percent(Double)

    /// Whether so many dead of so many settled items are tolerated.
    public func allows(dead: Int64, of settled: Int64) -> Bool {
        switch self {
        case .any: true
        case .atMost(let limit): dead <= Int64(limit)
        case .percent(let share): dead == 0 || Double(dead) * 100 <= share * Double(settled)
        }
    }
}

/// Stops a stage whose items die as if the stage itself were broken.
///
/// It is judged when an item dies, from the stage's counts. A trip is a stored
/// fact: the stage hands out nothing until it is restarted, or `run` is called
/// again.
public struct Breaker: Sendable, Hashable, Codable {
    /// Trips when so many items have settled and all of them are dead.
    public var firstAllDead: Int64
    /// Trips when more than half of the window is dead and at least so many of it have settled.
    public var leastSettled: Int64
    /// How many settled items make a window.
    public var window: Int64
    public var isEnabled: Bool

    public init(firstAllDead: Int64 = 5, leastSettled: Int64 = 20, window: Int64 = 1000) {
        self.firstAllDead = firstAllDead
        self.leastSettled = leastSettled
        self.window = window
        isEnabled = true
    }

    /// Never trips.
    public static let off: Breaker = {
        var breaker = Breaker()
        breaker.isEnabled = false
        return breaker
    }()

    /// Why the stage is to stop, or `nil`.
    ///
    /// - Parameter counts: settled and dead since the stage was last cleared, and within the present window.
    public func verdict(on counts: BreakerCounts) -> String? {
        guard isEnabled else { return nil }
        if counts.settled >= firstAllDead, counts.settled == counts.dead {
            return "the first \(counts.dead) items all died"
        }
        if counts.windowSettled >= leastSettled, counts.windowDead * 2 > counts.windowSettled {
            return "\(counts.windowDead) of the last \(counts.windowSettled) items died"
        }
        return nil
    }
}

/// What the breaker judges by. A store keeps it; ``settle(done:dead:window:)`` is the only way to change it.
public struct BreakerCounts: Sendable, Hashable, Codable {
    public var settled: Int64
    public var dead: Int64
    public var windowSettled: Int64
    public var windowDead: Int64

    public init(settled: Int64 = 0, dead: Int64 = 0, windowSettled: Int64 = 0, windowDead: Int64 = 0) {
        self.settled = settled
        self.dead = dead
        self.windowSettled = windowSettled
        self.windowDead = windowDead
    }

    /// Adds a step's outcomes; a window that was full begins anew.
    public mutating func settle(done: Int64, dead newlyDead: Int64, window: Int64) {
        if windowSettled >= window {
            windowSettled = 0
            windowDead = 0
        }
        settled += done + newlyDead
        dead += newlyDead
        windowSettled += done + newlyDead
        windowDead += newlyDead
    }
}

/// What becomes of a queue's items once they are done: they stay to be looked at, or make room.
///
/// What was pruned is counted, and nothing else is known of it: its key may be used again. Dead letters stay in any case.
public enum Keep: Sendable, Hashable, Codable {
    case all
    /// Only those that are not done: dead letters, and what was skipped.
    case failed
    /// Those that were put no longer than this ago, and those that are not done.
    case recent(Duration)

    /// Items put after this may not be pruned, in milliseconds since 1970; `nil`: none may.
    public func cutoff(at wallClock: Int64) -> Int64? {
        switch self {
        case .all: nil
        case .failed: .max
        case .recent(let age): wallClock - age.milliseconds
        }
    }
}

/// The rules that a store applies to one stage.
public struct StagePolicy: Sendable, Hashable, Codable {
    public var retry: RetryPolicy
    public var maxDead: Tolerance
    public var breaker: Breaker
    /// How many failures in a row of its own the stage may have: deaths of workers that held no item, and errors that
    /// no item is to blame for, without progress between them.
    public var crashes: Int
    /// How many unsettled items its input may hold before the stages that feed it wait; `nil`: any number.
    ///
    /// It is looked at before a stage claims, or a producer goes on, and never at a commit: what one step puts may exceed
    /// it. Stages of one cycle do not wait for each other.
    public var capacity: Int?
    /// Whether what its workers hold counts towards that. Not where they hold items while they wait for more.
    public var countsHeld = true
    /// How many items the stage begins in a time; `nil`: as many as it can.
    public var rate: Rate?
    /// What becomes of its items once they are done.
    public var keep: Keep
    /// What its commits survive, and puts from outside into its input.
    public var durability: Durability

    public init(
        retry: RetryPolicy = RetryPolicy(),
        maxDead: Tolerance = .any,
        breaker: Breaker = Breaker(),
        crashes: Int = 5,
        capacity: Int? = nil,
        rate: Rate? = nil,
        keep: Keep = .all,
        durability: Durability = .powerCut
    ) {
        precondition(capacity ?? 1 >= 1, "a queue holds at least one item")
        self.retry = retry
        self.maxDead = maxDead
        self.breaker = breaker
        self.crashes = crashes
        self.capacity = capacity
        self.rate = rate
        self.keep = keep
        self.durability = durability
    }

    /// What holds for a queue on its own unless it is told otherwise: it goes on handing out, however many items die.
    public static let queue = StagePolicy(breaker: .off)
}
