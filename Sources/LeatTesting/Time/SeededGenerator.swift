internal import Leat

/// A stream of random numbers that its seed determines: SplitMix64.
///
/// Equal seeds give equal streams on every machine, so a printed seed replays a failure.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var base: SplitMix64

    public init(seed: UInt64) { base = SplitMix64(seed: seed) }

    public mutating func next() -> UInt64 { base.next() }
}
