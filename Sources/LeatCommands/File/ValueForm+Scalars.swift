internal import Leat
internal import Yams

extension ValueForm {
    /// A form of plain words that a pattern describes to editors, and `parse` reads.
    static func word(
        _ words: String, pattern: String, hint: @escaping @Sendable (String) -> String = { _ in "" },
        parse: @escaping @Sendable (String) -> Value?
    ) -> ValueForm {
        ValueForm(words: words, schema: .object(["type": "string", "pattern": .string("^\(pattern)$")])) {
            node, spot, reading in
            guard case .scalar(let scalar) = node, !node.isNothing else { throw reading.mismatch(node, spot, words) }
            guard let value = parse(scalar.string) else {
                throw reading.mismatch(node, spot, words, hint: hint(scalar.string))
            }
            return value
        }
    }

    /// The same, read as another value.
    func map<Other>(_ transform: @escaping @Sendable (Value) -> Other) -> ValueForm<Other> {
        let read = read
        return ValueForm<Other>(words: words, schema: schema, keys: keys) { transform(try read($0, $1, $2)) }
    }
}

extension ValueForm where Value == String {
    /// Any scalar, taken as it is written: `007`, `yes` and `2026-11-23` are text like any other.
    static func text(_ words: String = "text", allowsEmpty: Bool = true) -> ValueForm {
        let schema = JSONValue.object(["type": ["string", "number", "boolean"]])
        return ValueForm(
            words: words, schema: allowsEmpty ? schema : schema.adding("minLength", 1)
        ) { node, spot, reading in
            guard case .scalar(let scalar) = node else { throw reading.mismatch(node, spot, words) }
            guard !node.isNothing else {
                let hint = scalar.string.isEmpty ? "" : "put quotes around \(scalar.string) if you mean the word"
                throw reading.mismatch(node, spot, words, hint: hint)
            }
            guard !scalar.string.unicodeScalars.contains("\0") else {
                throw reading.error(
                    at: spot.line(of: node), "\(spot.subject) has a NUL character in it, which no command can be given."
                )
            }
            guard allowsEmpty || !scalar.string.isEmpty else {
                throw reading.error(at: spot.line(of: node), "\(spot.subject) is empty; it must be \(words).")
            }
            return scalar.string
        }
    }
}

extension ValueForm where Value: LeatName {
    /// The name of a stage or a queue.
    static var name: ValueForm {
        .word(
            "the name of a \(Value.noun): a lower-case letter, then at most 62 lower-case letters, digits or underscores",
            pattern: "[a-z][a-z0-9_]{0,62}", parse: Value.init(rawValue:))
    }
}

extension ValueForm where Value: CaseIterable & RawRepresentable & Sendable, Value.RawValue == String {
    /// One of a few words.
    static var choice: ValueForm {
        let words = Value.allCases.map(\.rawValue)
        let list = words.dropLast().joined(separator: ", ") + (words.count > 1 ? " or " : "") + (words.last ?? "")
        return ValueForm(words: list, schema: .object(["enum": .strings(words)])) { node, spot, reading in
            guard case .scalar(let scalar) = node, !node.isNothing else { throw reading.mismatch(node, spot, list) }
            guard let value = Value(rawValue: scalar.string) else {
                let meant = nearest(to: scalar.string, in: words)
                throw reading.mismatch(node, spot, list, hint: meant.map { "did you mean '\($0)'?" } ?? "")
            }
            return value
        }
    }
}

extension ValueForm where Value == Int {
    /// A whole number, written with digits alone.
    static func whole(_ range: ClosedRange<Int>, _ noun: String = "a whole number") -> ValueForm {
        let words = "\(noun) from \(range.lowerBound) to \(Measure.grouped(range.upperBound))"
        let schema = JSONValue.object([
            "type": "integer", "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound),
        ])
        return ValueForm(words: words, schema: schema) { node, spot, reading in
            guard case .scalar(let scalar) = node, !node.isNothing else { throw reading.mismatch(node, spot, words) }
            guard node.isPlain else { throw reading.mismatch(node, spot, words, hint: "leave out the quotes") }
            guard let number = Measure.digits(scalar.string[...]), range.contains(number) else {
                throw reading.mismatch(node, spot, words)
            }
            return number
        }
    }
}

extension ValueForm where Value == Duration {
    /// A time with its unit.
    static func duration(_ words: String = "a duration such as 250ms, 30s, 5m, 1h or 7d", allowsZero: Bool = false)
        -> ValueForm
    {
        let number = allowsZero ? "(0|[1-9][0-9]{0,15})" : "[1-9][0-9]{0,15}"
        return .word(words, pattern: number + "(ms|s|m|h|d)", hint: hint) { text in
            Measure.duration(text).flatMap { $0 > .zero || allowsZero ? $0 : nil }
        }
    }

    private static func hint(_ text: String) -> String {
        if Measure.digits(text[...]) != nil { return "it has no unit: write \(text)s for seconds" }
        return Measure.duration(text) == .zero ? "it must be longer than nothing" : ""
    }
}
