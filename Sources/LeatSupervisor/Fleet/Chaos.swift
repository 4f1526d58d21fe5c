internal import Leat

/// Kills workers at random, as a stranger would: at each look each of them with the same chance.
///
/// What it does follows from its seed and from who is there at each look. Nobody is told of it: a worker that it kills is
/// found dead like any other, so what comes of a run must be the same as without it.
package struct Chaos: Sendable, Hashable, CustomStringConvertible {
    /// Between two looks.
    package static let interval = Duration.seconds(1)

    /// The chance of each worker at each look, in per cent: above 0, and at most 50.
    package let percent: Double
    package let seed: UInt64
    private var generator: SplitMix64

    /// Reads `kill=2%` or `kill=2%,seed=17`.
    ///
    /// - Parameters:
    ///   - text: as it is written on the command line.
    ///   - anySeed: the seed if the text names none.
    /// - Throws: ``LeatError/Code/refused``, with what was wrong and how it is written.
    package init(_ text: String, anySeed: @autoclosure () -> UInt64 = .random(in: 0...999_999)) throws {
        func refuse(_ why: String) -> LeatError {
            LeatError(.refused, "'\(printable(text))' \(why); write kill=2%, or kill=2%,seed=17 to have it again.")
        }
        var percent: Double?
        var seed: UInt64?
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            switch (pair.first, pair.count) {
            case ("kill", 2) where percent == nil:
                guard pair[1].hasSuffix("%"), let number = Double(pair[1].dropLast()), number > 0, number <= 50 else {
                    throw refuse("gives no chance above 0% and up to 50%")
                }
                percent = number
            case ("seed", 2) where seed == nil:
                guard let number = UInt64(pair[1]) else { throw refuse("gives no whole number as its seed") }
                seed = number
            default: throw refuse("has something other than one kill and one seed")
            }
        }
        guard let percent else { throw refuse("does not say how many are to be killed") }
        self.percent = percent
        self.seed = seed ?? anySeed()
        generator = SplitMix64(seed: self.seed)
    }

    /// `2%`.
    package var chance: String { (percent == percent.rounded() ? "\(Int(percent))" : "\(percent)") + "%" }
    /// As it is written to have the same again.
    package var description: String { "kill=\(chance),seed=\(seed)" }

    /// Those of the workers that are killed now.
    package mutating func victims(among slots: some Collection<Slot>) -> [Slot] {
        slots.sorted().filter { _ in Double.random(in: 0..<100, using: &generator) < percent }
    }
}
