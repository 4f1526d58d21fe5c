internal import Leat
internal import Yams

extension ValueForm {
    /// A list that is not empty, each element of one form.
    static func list<Element>(_ element: ValueForm<Element>, _ words: String) -> ValueForm where Value == [Element] {
        let schema = JSONValue.object(["type": "array", "items": element.schema, "minItems": 1])
        return ValueForm(words: words, schema: schema) { node, spot, reading in
            guard case .sequence(let nodes) = node else { throw reading.mismatch(node, spot, words) }
            guard !nodes.isEmpty else {
                throw reading.error(at: spot.line(of: node), "\(spot.subject) is an empty list; it must be \(words).")
            }
            return try nodes.enumerated().map { index, node in
                let inner = Spot(subject: "element \(index + 1) of \(spot.subject)", line: spot.line)
                try reading.visit(node, inner)
                return try element.read(node, inner, reading)
            }
        }
    }

    /// A list in which nothing stands twice.
    static func distinct<Element: Hashable & CustomStringConvertible & Sendable>(_ list: ValueForm<[Element]>)
        -> ValueForm
    where Value == [Element] {
        ValueForm(words: list.words, schema: list.schema.adding("uniqueItems", true)) { node, spot, reading in
            let elements = try list.read(node, spot, reading)
            var seen: Set<Element> = []
            if let twice = elements.first(where: { !seen.insert($0).inserted }) {
                throw reading.error(
                    at: spot.line(of: node), "\(spot.subject) names '\(printable("\(twice)"))' twice; once is enough.")
            }
            return elements
        }
    }

    /// A mapping with the keys of a shape.
    static func shape(_ shape: Shape<Value>, from new: Value, _ words: String) -> ValueForm where Value: Draft {
        ValueForm(words: words, schema: shape.schema, keys: shape.references) { node, spot, reading in
            guard case .mapping = node else { throw reading.mismatch(node, spot, words) }
            var draft = new
            try shape.read(node, into: &draft, spot, reading)
            return draft
        }
    }

    /// A mapping from names of the user's own to values of one form, in the order of the file.
    ///
    /// - Parameter subject: what messages call the value of a name.
    static func named<Element>(
        _ words: String, names: ValueForm<String>, _ element: ValueForm<Element>,
        subject: @escaping @Sendable (String, Spot) -> String
    ) -> ValueForm where Value == [Named<Element>] {
        let schema = JSONValue.object([
            "type": "object", "propertyNames": names.schema, "additionalProperties": element.schema, "minProperties": 1,
        ])
        return ValueForm(words: words, schema: schema, keys: element.keys) { node, spot, reading in
            let members = try reading.members(of: node, spot, words)
            guard !members.isEmpty else {
                throw reading.error(at: spot.line(of: node), "\(spot.subject) is empty; it must be \(words).")
            }
            return try members.map { name, line, value in
                _ = try names.read(
                    Node(name), Spot(subject: "the name '\(printable(name))' in \(spot.subject)", line: line), reading)
                let inner = Spot(subject: subject(name, spot), line: line)
                try reading.visit(value, inner)
                return Named(name: name, line: line, value: try element.read(value, inner, reading))
            }
        }
    }

    /// Nothing, or a value of another form.
    static func optional<Wrapped>(_ form: ValueForm<Wrapped>, _ words: String) -> ValueForm where Value == Wrapped? {
        ValueForm(words: words, schema: .object(["anyOf": [form.schema, .object(["type": "null"])]])) {
            node, spot, reading in
            node.isNothing ? nil : try form.read(node, spot, reading)
        }
    }

    /// Whichever of the forms the kind of value asks for; a kind that has none is refused with the words of all.
    static func either(
        scalar: ValueForm? = nil, list: ValueForm? = nil, mapping: ValueForm? = nil, hint: String = ""
    ) -> ValueForm {
        let forms = [scalar, list, mapping].compactMap(\.self)
        let words = forms.map(\.words).joined(separator: ", or ")
        let schema = JSONValue.object(["anyOf": .array(forms.map(\.schema))])
        return ValueForm(words: words, schema: schema, keys: forms.flatMap(\.keys)) { node, spot, reading in
            let form: ValueForm? =
                switch node {
                case .scalar: node.isNothing ? nil : scalar
                case .sequence: list
                case .mapping: mapping
                case .alias: nil
                }
            guard let form else { throw reading.mismatch(node, spot, words, hint: hint) }
            var spot = spot
            if case .scalar = node { spot.words = words }
            return try form.read(node, spot, reading)
        }
    }
}

/// A value under a name of the user's own.
struct Named<Value: Sendable>: Sendable {
    let name: String
    let line: Int
    let value: Value
}
