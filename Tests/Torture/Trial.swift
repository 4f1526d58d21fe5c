import Foundation
public import LeatTesting
import Synchronization

/// One row of the fault tests: how often it is tried, what its random choices follow from, and what was found.
///
/// A trial has two sizes: a small one in `make test`, and the whole one with `LEAT_TORTURE=1`. What every trial has come to
/// is added, a row each, to the file that `LEAT_TORTURE_REPORT` names. `LEAT_SEED` has the random choices of an earlier trial
/// again.
///
/// ```swift
/// let trial = Trial("kill -9 storm", ci: 200, full: 5_000, of: "kills")
/// while kills < trial.count { … }
/// try trial.finish(kills, finding: "lost 0, duplicated 0")
/// ```
public final class Trial: Sendable {
    public let name: String
    /// How many are to be tried.
    public let count: Int
    /// What the random choices follow from. A failure must print it.
    public let seed: UInt64
    private let unit: String
    private let hasChoices: Bool
    private let breaches = Atomic(0)
    private let began = ContinuousClock.now

    /// Whether the whole size is asked for.
    public static let isFull = ProcessInfo.processInfo.environment["LEAT_TORTURE"].map { !$0.isEmpty } ?? false

    /// Within what an answer must come. The small size shares its cores with other suites, so that only what hangs is told
    /// from what waits for a core; in the whole one what must answer so soon has them for itself.
    public static let soon = isFull ? Duration.seconds(2) : .seconds(60)

    /// - Parameter hasChoices: whether anything follows from the seed; what is the same each time has none to tell.
    public init(_ name: String, ci: Int, full: Int, of unit: String, hasChoices: Bool = true) {
        self.name = name
        self.unit = unit
        self.hasChoices = hasChoices
        count = Self.isFull ? full : ci
        seed = ProcessInfo.processInfo.environment["LEAT_SEED"].flatMap(UInt64.init) ?? .random(in: 0...UInt64.max)
    }

    public var generator: SeededGenerator { SeededGenerator(seed: seed) }

    /// Counts what must not have been, for the row: a test fails by its own issues, and a row is read by itself.
    public func breach(_ count: Int) { breaches.add(count, ordering: .relaxed) }

    /// Writes the row of this trial, with the number of breaches.
    ///
    /// - Parameters:
    ///   - tried: how many there were.
    ///   - finding: what was found, in a few words; of a control, how it failed as it must.
    public func finish(_ tried: Int, finding: String) throws {
        guard let path = ProcessInfo.processInfo.environment["LEAT_TORTURE_REPORT"], !path.isEmpty else { return }
        let seconds = (ContinuousClock.now - began).components.seconds
        let found = breaches.load(ordering: .relaxed)
        let finding = found == 0 ? finding : "\(found) BREACHES; would be: \(finding)"
        let line = "\(name)\t\(tried) \(unit)\t\(finding)\t\(seconds) s\t\(hasChoices ? "\(seed)" : "none")\n"
        // Two test programs may add to it at once.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try file.write(contentsOf: Data(line.utf8))
    }
}
