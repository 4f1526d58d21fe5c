internal import Leat

/// What the functions of a simulated pipeline do beside their result: they take time, and some values are trouble.
///
/// Which value is what kind of trouble to which stage follows from the seed alone, so that what must come out is known
/// beforehand, whatever happens on the way.
struct SimulatedFunctions: Sendable {
    let scene: SimulatedScene
    let seed: UInt64

    /// How long one call may take; a value that hangs takes longer.
    static let timeout = Duration.seconds(15)

    private enum Nature {
        case easy
        /// It fails the first time.
        case flaky
        /// It is put off the first time, without blame.
        case busy
        /// It hangs the first time.
        case hanging
        /// It can't be worked on at all.
        case poisonous
    }

    private func nature(of value: Int, in stage: String) -> Nature {
        switch chance(value, stage) % 60 {
        case 0, 1: .poisonous
        case 2: .hanging
        case 3...8: .flaky
        case 9, 10: .busy
        default: .easy
        }
    }

    private func chance(_ value: Int, _ stage: String) -> UInt64 {
        var generator = SeededGenerator(seed: seed ^ UInt64(value) &* 0x9E37_79B9)
        let salt = stage.utf8.reduce(UInt64(7)) { $0 &* 31 &+ UInt64($1) }
        return generator.next() ^ SeededGenerator.first(of: salt)
    }

    func isPoisonous(_ value: Int, in stage: String) -> Bool { nature(of: value, in: stage) == .poisonous }

    /// Works on a value.
    ///
    /// - Parameter bearsPoison: no value is poisonous to it: it is called with all of them.
    func work(on value: Int, in stage: String, bearsPoison: Bool = false) async throws {
        let chance = chance(value, stage) / 60
        let milliseconds = chance % 10 == 0 ? 100 + chance / 10 % 900 : chance / 10 % 20
        try await scene.time.sleep(for: .milliseconds(milliseconds))
        let mark = "\(stage)/\(value)"
        switch nature(of: value, in: stage) {
        case .easy: break
        case .poisonous where bearsPoison: break
        case .poisonous: throw PermanentError("\(value) is poison")
        case .flaky: if scene.isFirst(mark) { throw SimulatedFailure() }
        case .busy: if scene.isFirst(mark) { throw RetryError("\(value) is busy", .postpone(.milliseconds(700))) }
        case .hanging: if scene.isFirst(mark) { try await scene.time.sleep(for: Self.timeout * 3) }
        }
    }

    /// Notes what reached the world outside.
    func effect(of value: Int, in stage: String) { _ = scene.isFirst("effect \(stage)/\(value)") }
    func hadEffect(_ value: Int, in stage: String) -> Bool { scene.has("effect \(stage)/\(value)") }
}

private struct SimulatedFailure: Error {}

extension SeededGenerator {
    fileprivate static func first(of seed: UInt64) -> UInt64 {
        var generator = SeededGenerator(seed: seed)
        return generator.next()
    }
}

/// Values that come one by one, each after a while.
struct SimulatedFeed: AsyncSequence, Sendable {
    typealias Element = Sourced<Int, Int>

    let values: Range<Int>
    let time: SimulatedTime
    let pause: Duration

    struct AsyncIterator: AsyncIteratorProtocol {
        var left: Range<Int>
        let time: SimulatedTime
        let pause: Duration

        mutating func next() async throws -> Sourced<Int, Int>? {
            guard let value = left.popFirst() else { return nil }
            try await time.sleep(for: pause)
            return Sourced(value, cursor: value)
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(left: values, time: time, pause: pause) }
}
