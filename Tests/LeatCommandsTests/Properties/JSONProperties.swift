import Foundation
import Leat
import Testing

@testable import LeatCommands

/// A JSON value, spelled at random, with its parts as they were spelled.
struct RandomJSON {
    private(set) var text: String
    private(set) var members: [(name: String, text: String)]?
    private(set) var elements: [String]?
    /// The value of a string.
    private(set) var string: String?

    init(_ random: inout Seeded, depth: Int = 0) {
        switch random.below(depth > 3 ? 4 : 6) {
        case 0: text = random.pick(["null", "true", "false"])
        case 1:
            text = random.pick([
                "0", "-0", "1.50", "1e5", "1E+5", "0.1e-7", "12345678901234567890", "-7", "10", "3.000", "1e400",
            ])
        case 2, 3:
            let value = Self.word(&random)
            text = Self.spell(value, &random)
            string = value
        case 4:
            let parts = (0..<random.below(4)).map { _ in RandomJSON(&random, depth: depth + 1).text }
            text = "[" + parts.map { Self.blank(&random) + $0 + Self.blank(&random) }.joined(separator: ",") + "]"
            if parts.isEmpty { text = "[" + Self.blank(&random) + "]" }
            elements = parts
        default:
            var parts: [(name: String, text: String)] = []
            text = "{" + Self.blank(&random)
            for index in 0..<random.below(4) {
                let name = Self.word(&random) + "\(index)"
                let value = RandomJSON(&random, depth: depth + 1).text
                if index > 0 { text += "," + Self.blank(&random) }
                text += Self.spell(name, &random) + Self.blank(&random) + ":" + Self.blank(&random) + value
                text += Self.blank(&random)
                parts.append((name, value))
            }
            text += "}"
            members = parts
        }
    }

    private static func blank(_ random: inout Seeded) -> String { random.pick(["", "", "", " ", "\n", "\t ", "\r\n"]) }

    private static func word(_ random: inout Seeded) -> String {
        (0..<random.below(6)).map { _ in
            random.pick(["a", "\"", "\\", "/", "\n", "é", "😀", "\u{1F}", ",", "}", "]", ":"])
        }
        .joined()
    }

    /// Each character as it is, where that may be, or in one of its other spellings.
    private static func spell(_ word: String, _ random: inout Seeded) -> String {
        var text = "\""
        for character in word.unicodeScalars {
            let isPlain = character.value >= 0x20 && character != "\"" && character != "\\"
            if isPlain, random.chance(70) {
                text.unicodeScalars.append(character)
            } else if character == "\"" || character == "\\" || character == "/", random.chance(50) {
                text += "\\\(character)"
            } else {
                for unit in String(character).utf16 {
                    let digits = String(unit, radix: 16, uppercase: random.chance(50))
                    text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            }
        }
        return text + "\""
    }
}

@Suite("The parts of JSON")
struct JSONProperties {
    @Test("are what Foundation finds too, and keep how they were written")
    func parts() async {
        await forSeeds(1500) { random in
            let tree = RandomJSON(&random)
            let bytes = Array(tree.text.utf8)
            let value = try #require(JSONText(bytes))
            let other = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)

            try hold(value.text == tree.text, "it is what it was")
            let members = value.members?.map { [$0.name, $0.value.text] }
            try hold(
                members == tree.members?.map { [$0.name, $0.text] }, "\(tree.text) has the members \(members ?? [])")
            let elements = value.elements?.map(\.text)
            try hold(elements == tree.elements, "\(tree.text) has the elements \(elements ?? [])")
            try hold(value.string == tree.string, "\(tree.text) is the string \(value.string ?? "none")")
            try hold(value.isObjectOrArray == (members != nil || elements != nil), "what \(tree.text) is")
            // A number that is beyond Foundation's is none there.
            guard let other else { return try hold(tree.text.contains("1e400"), "Foundation refuses \(tree.text)") }
            try hold((other as? [Any])?.count == elements?.count, "\(tree.text) has elements")
            try hold((other as? [String: Any])?.keys.sorted() == value.members?.map(\.name).sorted(), "\(tree.text)")
            try hold((other as? String) == value.string, "\(tree.text)")
            if let numbers = other as? [Any], let elements = value.elements {
                for (number, element) in zip(numbers, elements) where element.number != nil {
                    try hold((number as? NSNumber)?.doubleValue == element.number, "\(element.text)")
                }
            }
        }
    }

    @Test("are not found in what is cut off, or has more behind it")
    func broken() async {
        await forSeeds(3000) { random in
            let tree = RandomJSON(&random)
            guard tree.members != nil || tree.elements != nil else { return }
            let bytes = Array(tree.text.utf8)

            for part in [Array(bytes.prefix(random.below(bytes.count))), bytes + [random.pick(Array(",]}x1\"".utf8))]] {
                try hold(
                    JSONText(part) == nil && JSONText.members(of: part) == nil && JSONText.elements(of: part) == nil,
                    String(decoding: part, as: UTF8.self))
            }
        }
    }
}

@Suite("Envelopes")
struct EnvelopeProperties {
    private let reader = OutputReader(outputs: .route(["a", "b"]), groupFields: ["b": "city"])

    @Test("say all of an item, in any order and spelling, and put it as it was written")
    func right() async {
        await forSeeds(4000) { random in
            let body = RandomJSON(&random)
            var members = [#""queue":"a""#, "\"body\":\(body.text)"]
            var expected = Output(.text(""), to: "a")
            expected.payload = Payload(bytes: body.string.map { Array($0.utf8) } ?? Array(body.text.utf8))
            if random.chance(50) {
                members.append(#""key":"k\u0031""#)
                expected.key = "k1"
            } else if random.chance(50) {
                members.append(#""key":17"#)
                expected.key = "17"
            }
            if random.chance(50) {
                members.append(random.pick([#""group":"g""#, #""group" : "g""#]))
                expected.group = "g"
            }
            if random.chance(50) {
                members.append(random.pick([#""delay":1.5"#, #""delay":15e-1"#]))
                expected.due = .after(.milliseconds(1500))
            }
            if random.chance(50) {
                members.append(#""priority":3"#)
                expected.priority = 3
            }
            let line = "{" + members.shuffled(using: &random).joined(separator: " , ") + "}"

            var items: [Output] = []
            try reader.read(Array(line.utf8), into: &items)

            try hold(items == [expected], "\(line) is \(items)")
        }
    }

    @Test("are refused with all that they say when one thing is wrong")
    func wrong() {
        let right = [#""queue":"b""#, #""body":{"city":"x"}"#]
        let extra = [
            #""queue":"a""#, #""body":1"#, #""keys":1"#, #""key":1.5"#, #""key":{}"#, #""group":[]"#, #""delay":-1"#,
            #""delay":"1""#, #""delay":1e10"#, #""priority":-1"#, #""priority":1.0"#, #""priority":1000001"#,
            #""Body":1"#,
        ]
        let lines =
            extra.map { "{\(right[0]),\(right[1]),\($0)}" } + [
                "{\(right[0])}", "{\(right[1])}", #"{"queue":"c","body":1}"#, #"{"queue":1,"body":1}"#,
                #"{"queue":"b","body":1}"#, #"{"queue":"b","body":{"city":[]}}"#, "[1]", "text", "\(right[0])",
                "{\(right[0]),\(right[1])", "{\(right[0]),\(right[1])} x",
            ]
        for line in lines {
            var items: [Output] = []
            #expect(throws: CommandProtocolError.self, "\(line)") { try reader.read(Array(line.utf8), into: &items) }
            #expect(items.isEmpty)
        }
    }

    @Test("have the group of their body where they name none")
    func group() throws {
        var items: [Output] = []
        for line in [
            #"{"queue":"b","body":{"city":"Rome","city":"Bern"}}"#, #"{"queue":"b","body":{"city":7}}"#,
            #"{"queue":"b","body":{"city":"Rome"},"group":"own"}"#, #"{"queue":"b","body":{}}"#,
            #"{"queue":"b","body":{"city":null}}"#, "",
        ] {
            try reader.read(Array(line.utf8), into: &items)
        }

        #expect(items.map(\.group) == ["Bern", "7", "own", nil, nil])
    }
}
