import Foundation
import Leat
import Testing

@testable import LeatCommands

@Suite("A program of mode ack, whatever it says")
struct AckProperties {
    private struct Told: Decodable { let body: String }

    private func item(_ id: Int64, _ text: String = "") -> Item {
        Item(id: ItemID(id), payload: .text(text), claims: 1, attempts: 0, generation: 0)
    }

    private func words() -> AckWords {
        AckWords("work", "n", run: "r", window: 10, OutputReader(outputs: .all(["q"]), groupFields: [:]))
    }

    /// What a program has said and what must come of it.
    private struct Model {
        var inHand: Set<Int64> = []
        var emitted: [Int64: [String]] = [:]
        var settled: Set<Int64> = []
        var given: Int64 = 0
        var made = 0

        /// A message, and what it settles; `nil` when it is wrong.
        mutating func message(_ random: inout Seeded) -> (line: String, settles: [Int64], outputs: [String])? {
            let items = inHand.shuffled(using: &random)
            switch random.below(6) {
            case 0, 1:
                let some = Array(items.prefix(1 + random.below(3)))
                guard !some.isEmpty else { return nil }
                let outputs = texts(&random)
                let list = some.count == 1 && random.chance(50) ? "\(some[0])" : "\(some)"
                let all = some.flatMap { emitted[$0] ?? [] } + outputs
                settle(some)
                return (#"{"ack":\#(list),"out":\#(quoted(outputs))}"#, some, all)
            case 2:
                guard let one = items.first else { return nil }
                let outputs = texts(&random)
                emitted[one, default: []] += outputs
                return (#"{"out":\#(quoted(outputs)),"emit":\#(one)}"#, [], [])
            case 3:
                guard let one = items.first else { return nil }
                let advice = random.pick(["", #","dead":true"#, #","after":1.5"#, #","postpone":2"#])
                settle([one])
                return (#"{"fail":\#(one),"reason":"why"\#(advice)}"#, [one], [])
            case 4:
                let some = Array(items.prefix(2))
                guard !some.isEmpty else { return nil }
                settle(some)
                return (#"{"release":\#(some)}"#, some, [])
            default:
                return (random.pick([#"{"progress":1}"#, #"{"log":"x"}"#, #" {"hello":1} "#, ""]), [], [])
            }
        }

        private mutating func settle(_ items: [Int64]) {
            inHand.subtract(items)
            settled.formUnion(items)
            for item in items { emitted[item] = nil }
        }

        private mutating func texts(_ random: inout Seeded) -> [String] {
            (0..<random.below(3)).map { _ in
                made += 1
                return "o\(made)"
            }
        }

        private func quoted(_ texts: [String]) -> String {
            "[" + texts.map { "\"\($0)\"" }.joined(separator: ",") + "]"
        }

        /// A message that is none, or of items that it does not have.
        func wrong(_ random: inout Seeded) -> String {
            let stranger = random.chance(50) ? settled.randomElement(using: &random) ?? given + 1 : given + 1
            let own = inHand.randomElement(using: &random) ?? given + 1
            return random.pick([
                #"{"ack":\#(stranger)}"#, #"{"ack":[\#(own),\#(stranger)],"out":["x"]}"#, #"{"ack":[\#(own),\#(own)]}"#,
                #"{"ack":[]}"#, #"{"ack":"\#(own)"}"#, #"{"ack":\#(own).0}"#, #"{"ack":\#(own),"out":"x"}"#,
                #"{"ack":\#(own),"fail":\#(own)}"#, #"{"ack":\#(own),"ack":\#(own)}"#, #"{"ack":\#(own),"more":1}"#,
                #"{"ack":\#(own)"#, #"{"ack":\#(own)}}"#, #"{"ack":\#(own)}{"ack":\#(own)}"#, #"["ack",\#(own)]"#,
                #"{"emit":\#(stranger),"out":[1]}"#, #"{"emit":[\#(own)],"out":[1]}"#, #"{"fail":\#(stranger)}"#,
                #"{"fail":\#(own),"after":1,"postpone":1}"#, #"{"fail":\#(own),"after":-1}"#, #"{"fail":[\#(own)]}"#,
                #"{"fail":\#(own),"dead":"true"}"#, #"{"release":[\#(stranger)]}"#, #"{"release":null}"#,
                #"{"settle":\#(own)}"#, "{}", "done", "\(own)", "null", #"{"log":1}"#,
            ])
        }
    }

    @Test("settles each item at most once, with what was made of it, and nothing from the first wrong line on")
    func program() async {
        await forSeeds(1000) { random in
            let words = words()
            var model = Model()
            _ = words.understand([Array(#"{"hello":1}"#.utf8)], isLast: false)
            var seen: Set<Int64> = []
            for _ in 0..<random.below(60) {
                if random.chance(50) {
                    model.given += 1
                    _ = try words.ask(item(model.given))
                    model.inHand.insert(model.given)
                }
                let before = model
                var lines: [String] = []
                var settles: [(items: [Int64], outputs: [String])] = []
                for _ in 0..<random.below(4) {
                    guard let message = model.message(&random) else { continue }
                    lines.append(message.line)
                    if !message.settles.isEmpty { settles.append((message.settles, message.outputs)) }
                }
                let isWrong = random.chance(4)
                if isWrong { lines += [model.wrong(&random), #"{"release":\#(before.inHand.first ?? 1)}"#] }

                let understood = words.understand(lines.map { Array($0.utf8) }, isLast: false)

                try hold((understood.problem != nil) == isWrong, "\(lines): \(String(describing: understood.problem))")
                let answers = understood.answers.map { $0.items.map(\.rawValue) }
                try hold(answers == settles.map(\.items), "\(lines) settled \(answers)")
                let outputs = understood.answers.map {
                    $0.outputs.map { String(decoding: $0.payload.bytes, as: UTF8.self) }
                }
                try hold(outputs == settles.map(\.outputs), "\(lines) put \(outputs)")
                for id in answers.joined() { try hold(seen.insert(id).inserted, "\(id) is settled twice") }
                try hold(words.unanswered.map(\.rawValue) == model.inHand.sorted(), "\(words.unanswered) are in hand")
                if isWrong { return }
            }
        }
    }

    @Test("is not understood when a byte of a message is another one, or it names what it settles")
    func damaged() async {
        await forSeeds(4000) { random in
            let words = words()
            _ = words.understand([Array(#"{"hello":1}"#.utf8)], isLast: false)
            for id in 1...12 { _ = try words.ask(item(Int64(id))) }
            var line = Array(
                random.pick([
                    #"{"ack":[1,2],"out":["a",{"b":[1]}]}"#, #"{"fail":3,"reason":"no","after":12}"#,
                    #"{"release":[4,11]}"#, #"{"emit":5,"out":[7]}"#,
                ]).utf8)
            for _ in 0...random.below(3) {
                let place = random.below(line.count)
                switch random.below(3) {
                case 0: line[place] = UInt8(random.below(256))
                case 1: line.remove(at: place)
                default: line.insert(random.pick(Array(#"{}[]":,\0129ae "#.utf8)), at: place)
                }
            }

            let understood = words.understand([line], isLast: false)

            let settled = understood.answers.flatMap { $0.items.map(\.rawValue) }
            let left = words.unanswered.map(\.rawValue)
            try hold((settled + left).sorted() == Array(1...12), "\(settled) and \(left) are all")
            if settled.isEmpty { return }
            try hold(understood.problem == nil, "what settles is no problem")
            let object = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
            let named = ["ack", "fail", "release"].compactMap { object?[$0] }
            try hold(named.count == 1, "\(String(decoding: line, as: UTF8.self)) says one thing")
            let items = (named[0] as? [Any])?.compactMap { $0 as? Int64 } ?? [named[0] as? Int64 ?? -1]
            try hold(items == settled, "\(String(decoding: line, as: UTF8.self)) settled \(settled)")
        }
    }

    @Test("is told nothing by half a message at its end")
    func half() throws {
        let words = words()
        _ = words.understand([Array(#"{"hello":1}"#.utf8)], isLast: false)
        _ = try words.ask(item(1))
        _ = try words.ask(item(12))

        let understood = words.understand([Array(#"{"ack":1}"#.utf8)], isLast: true)

        #expect(understood.answers.isEmpty && understood.problem == nil)
        #expect(words.unanswered.map(\.rawValue) == [1, 12])
    }

    @Test(
        "is given each body as it is: JSON as it was written, any other text as a string that comes back byte for byte")
    func bodies() async {
        let reader = OutputReader(outputs: .all(["q"]), groupFields: [:])
        await forSeeds(1500) { random in
            var tree = RandomJSON(&random)
            let text =
                random.chance(50)
                ? tree.text
                : (0..<random.below(30)).map { _ in
                    random.pick([
                        "\n", "\r", "\"", "\\", "{", "}", "[1", "\u{1}", "\u{7F}", "é", "e\u{301}", "😀", "\u{2028}",
                        " ", "\t", "\u{FEFF}",
                    ])
                }.joined()
            tree = RandomJSON(&random)

            let line = try AckProtocol.item(item(1, text), key: tree.text)

            try hold(line.last == 0x0A && line.count { $0 == 0x0A || $0 == 0x0D } == 1, "it is one line")
            let members = try #require(JSONText.members(of: Array(line.dropLast())))
            try hold(members.map(\.name) == ["id", "attempt", "key", "body"], "\(members.map(\.name))")
            try hold(members[2].value.string.map { Array($0.utf8) } == Array(tree.text.utf8), "the key")
            var outputs: [Output] = []
            try reader.read(members[3].value, into: &outputs)
            let isJSON = JSONText(Array(text.utf8))?.isObjectOrArray ?? false
            // Between the parts of an object the end of a line is a blank.
            let expected = isJSON ? Array(text.utf8).map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 } : Array(text.utf8)
            if text.isEmpty { return try hold(outputs.isEmpty, "nothing is put for an empty text") }
            // A value is taken without the blanks around it.
            let blanks: Set<UInt8> = [0x20, 0x09]
            let payload = try #require(outputs.first?.payload.bytes)
            let trimmed =
                isJSON
                ? Array(expected.drop { blanks.contains($0) }.reversed().drop { blanks.contains($0) }.reversed())
                : expected
            try hold(payload == trimmed, "\(text) came back as \(String(decoding: payload, as: UTF8.self))")
            guard !isJSON else { return }
            let other = try JSONDecoder().decode(Told.self, from: Data(line))
            try hold(Array(other.body.utf8) == Array(text.utf8), "another reader finds \(other.body)")
        }
    }
}
