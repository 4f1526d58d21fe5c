internal import Leat
internal import Synchronization

/// What all parts of one simulation share: its clock, its chances, and what has happened.
final class SimulatedScene: Sendable {
    private struct State {
        var generator: SeededGenerator
        var trace: [String] = []
        var violations: [String] = []
        var marks: Set<String> = []
    }

    let time: SimulatedTime
    private let state: Mutex<State>

    init(_ time: SimulatedTime, seed: UInt64) {
        self.time = time
        state = Mutex(State(generator: SeededGenerator(seed: seed)))
    }

    var trace: [String] { state.withLock { $0.trace } }
    var violations: [String] { state.withLock { $0.violations } }

    func note(_ event: String) {
        let line = "\(time.elapsed.nanoseconds / 1000) µs: \(event)"
        state.withLock { $0.trace.append(line) }
    }

    func violation(_ what: String) {
        note("WRONG: \(what)")
        state.withLock { $0.violations.append(what) }
    }

    func number(_ range: ClosedRange<Int>) -> Int { state.withLock { Int.random(in: range, using: &$0.generator) } }
    func isLucky(_ percent: Int) -> Bool { number(1...100) <= percent }
    func pick<Element>(_ all: [Element]) -> Element? { all.isEmpty ? nil : all[number(0...all.count - 1)] }

    /// - Returns: whether it is the first time.
    func isFirst(_ mark: String) -> Bool { state.withLock { $0.marks.insert(mark).inserted } }
    func has(_ mark: String) -> Bool { state.withLock { $0.marks.contains(mark) } }

    /// A store has refused a step: some refusals must never be met with.
    func refused(_ what: String, of name: String, _ error: any Error) {
        guard let error = error as? LeatError else { return note("\(name) \(what): \(error)") }
        note("\(name) \(what): \(error.code.rawValue)")
        let isExpected = [LeatError.Code.leaseLost, .fenced].contains(error.code)
        if !isExpected { violation("\(what) of \(name) was refused: \(error)") }
    }
}
