import Leat
import Synchronization
import Testing

@testable import LeatCommands

@Suite("A filter's answers, whatever it does and however they come")
struct StreamProperties {
    /// What a filter does wrong with a line that it is given.
    private enum Fault: String, CaseIterable {
        case drops, doubles, swaps, cuts, joins, garbles, answersNothing, diesHalfWay
    }

    /// A program between two pipes, each of whose answers says which question it is made of.
    private struct Filter {
        let faults: [Int: Fault]
        /// All that it has written, and what of it was not read yet.
        private(set) var written: [UInt8] = []
        var output: [UInt8] = []
        private var isDead = false
        private var kept: [UInt8]?

        init(_ faults: [Int: Fault]) { self.faults = faults }

        static func line(_ number: Int) -> [UInt8] { Array("{\"id\":\"\(number)\",\"of\":\(number)}\n".utf8) }

        mutating func take(_ number: Int) {
            guard !isDead else { return }
            var more = answer(number)
            if let kept, faults[number] != .swaps {
                more += kept
                self.kept = nil
            }
            written += more
            output += more
        }

        private mutating func answer(_ number: Int) -> [UInt8] {
            let line = Self.line(number)
            let answer = line.dropLast()
            switch faults[number] {
            case nil: return line
            case .drops: return []
            case .doubles: return line + line
            case .swaps:
                kept = (kept ?? []) + line
                return []
            case .cuts: return answer.prefix(8) + [0x0A] + answer.dropFirst(8) + [0x0A]
            // The next line begins where this one has no end.
            case .joins: return answer + [UInt8(ascii: ";")]
            case .garbles: return Array("{}\n".utf8)
            case .answersNothing: return [0x0A]
            case .diesHalfWay:
                isDead = true
                return Array(answer.prefix(12))
            }
        }
    }

    private func item(_ number: Int) -> Item {
        Item(
            id: ItemID(Int64(number)), payload: .text(#"{"n":0,"id":"\#(number)"}"#), claims: 1, attempts: 0,
            generation: 0)
    }

    private func words(_ proof: StreamProof) -> StreamWords {
        StreamWords(
            proof, OutputReader(outputs: .all(["q"]), groupFields: [:]), HoldBackMemory(), timeout: .seconds(60))
    }

    /// Which questions were settled, each with the question that its answer was made of.
    private struct Talk {
        var settled: [(question: Int, answer: Int)] = []
        var hasProblem = false
        /// The filter has answered each question with one line.
        var wasRight = false

        /// - Returns: whether it goes on.
        mutating func hear(_ understood: Understood) throws -> Bool {
            for answer in understood.answers {
                try hold(answer.items.count == 1 && answer.outputs.count <= 1, "an answer is of one item")
                guard case .done = answer.outcome, let output = answer.outputs.first else {
                    throw Broken(description: "\(answer) is none of the filter's")
                }
                let of = JSONText.members(of: output.payload.bytes)?.first { $0.name == "of" }?.value.integer
                settled.append((Int(answer.items[0].rawValue), Int(of ?? -1)))
            }
            hasProblem = understood.problem != nil
            return !hasProblem
        }
    }

    /// - Returns: what came of it, and which questions were left.
    private func talk(
        _ count: Int, _ proof: StreamProof, _ faults: [Int: Fault], _ random: inout Seeded
    ) throws -> (Talk, left: [Int]) {
        let words = words(proof)
        var filter = Filter(faults)
        var splitter = LineSplitter(limit: 1000)
        var talk = Talk()
        var asked = 0
        while asked < count || !filter.output.isEmpty {
            if asked < count, random.chance(40) {
                asked += 1
                let line = try words.ask(item(asked))
                try hold(line.last == 0x0A && line.count { $0 == 0x0A } == 1, "a question is one line")
                filter.take(asked)
            } else {
                let piece = filter.output.prefix(random.below(60))
                filter.output.removeFirst(piece.count)
                let understood = words.understand(try splitter.add(piece), isLast: false)
                guard try talk.hear(understood) else { break }
            }
        }
        if !talk.hasProblem {
            _ = try talk.hear(words.understand(splitter.finish().map { [$0] } ?? [], isLast: true))
        }
        talk.wasRight = filter.written == (0..<asked).flatMap { Filter.line($0 + 1) }
        let left = words.unanswered.map { Int($0.rawValue) }
        let settled = talk.settled.map(\.question)
        try hold(
            settled + left == Array((1...count).prefix(asked)), "\(settled) are settled and \(left) are left")
        return (talk, left)
    }

    @Test("are all taken, each for its question, from a filter that answers each line")
    func right() async {
        await forSeeds(500) { random in
            let count = 1 + random.below(60)
            let (talk, left) = try talk(count, random.chance(50) ? .trust : .echo("id"), [:], &random)

            try hold(!talk.hasProblem && left.isEmpty, "nothing is wrong with it")
            try hold(talk.settled.allSatisfy { $0.question == $0.answer }, "\(talk.settled)")
        }
    }

    @Test("are never taken for another question's with an echo, nor twice")
    func wrong() async {
        await forSeeds(1500) { random in
            let count = 1 + random.below(40)
            var faults: [Int: Fault] = [:]
            for _ in 0...random.below(3) { faults[1 + random.below(count)] = random.pick(Fault.allCases) }

            let (talk, left) = try talk(count, .echo("id"), faults, &random)

            try hold(
                talk.settled.allSatisfy { $0.question == $0.answer }, "\(faults.mapValues(\.rawValue)): \(talk.settled)"
            )
            let isNoticed = talk.hasProblem || !left.isEmpty
            try hold(isNoticed != talk.wasRight, "\(faults.mapValues(\.rawValue)): \(left) are left")
        }
    }

    @Test("are matched as long as the questions number more than is kept of them")
    func many() throws {
        var matcher = StreamMatcher(.echo("id"))
        for number in 1...5000 {
            _ = try matcher.ask(item(number))
            if number > 700 {
                #expect(try matcher.answer(Array(#"{"id":"\#(number - 700)"}"#.utf8)).rawValue == number - 700)
            }
        }

        #expect(matcher.unanswered.map(\.rawValue) == Array(4301...5000))
        #expect(matcher.inFlight == 700 && matcher.answered == 4300)
    }
}
