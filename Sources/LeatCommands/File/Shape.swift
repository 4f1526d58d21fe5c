internal import Leat
internal import Yams

/// What a value may be: how it is read, what messages call it, and how the schema says it.
struct ValueForm<Value>: Sendable {
    /// With its article: `a duration such as '30s'`.
    let words: String
    let schema: JSONValue
    /// The keys of the mapping that it may be.
    var keys: [KeyReference] = []
    let read: @Sendable (Node, Spot, Reading) throws -> Value
}

/// What a draft of a mapping keeps beside its values.
protocol Draft: Sendable {
    /// The lines of the keys that were written.
    var lines: [String: Int] { get set }
}

/// A key for the reference: what the documentation's table and the schema have of it.
package struct KeyReference: Sendable, Hashable {
    package let name: String
    /// One or two sentences.
    package let meaning: String
    package let words: String
    package let isNeeded: Bool
    package let standard: String?
    package let keys: [KeyReference]
}

/// A key of a mapping: its name, meaning and form, and where its value goes.
///
/// The reader, its messages, the schema and the reference are all made from it, so they can't differ.
struct Key<Target: Draft>: Sendable {
    let reference: KeyReference
    let schema: JSONValue
    /// What others call it; whoever writes that is told this key's name.
    let synonyms: [String]
    let set: @Sendable (inout Target, Node, Spot, Reading) throws -> Void

    var name: String { reference.name }

    init<Value>(
        _ name: String, _ meaning: String, _ form: ValueForm<Value>, isNeeded: Bool = false, standard: String? = nil,
        synonyms: [String] = [], set: @escaping @Sendable (inout Target, Value) -> Void
    ) {
        reference = KeyReference(
            name: name, meaning: meaning, words: form.words, isNeeded: isNeeded, standard: standard, keys: form.keys)
        schema = .object([.init(name: "description", value: .string(meaning))]).adding(contentsOf: form.schema)
        self.synonyms = synonyms
        self.set = { target, node, spot, reading in set(&target, try form.read(node, spot, reading)) }
    }
}

/// The keys that a mapping may have, and no others.
struct Shape<Target: Draft>: Sendable {
    let keys: [Key<Target>]
    /// Of these keys a mapping has exactly one.
    private var alternatives: [String] = []

    init(_ keys: Key<Target>...) { self.keys = keys }

    /// The same with a word for editors on what the rules of a stage check: that one of these keys, and no more, is there.
    func withOne(of names: [String]) -> Shape {
        var copy = self
        copy.alternatives = names
        return copy
    }

    var names: [String] { keys.map(\.name) }
    var references: [KeyReference] { keys.map(\.reference) }

    /// Reads a mapping's values into a draft.
    func read(_ node: Node, into target: inout Target, _ spot: Spot, _ reading: Reading) throws {
        for (name, line, value) in try reading.members(of: node, spot, "a mapping with keys such as '\(names[0])'") {
            guard let key = keys.first(where: { $0.name == name }) else {
                throw reading.error(at: line, unknown(name, in: spot))
            }
            target.lines[name] = line
            let inner = spot.key(name, line)
            try reading.visit(value, inner)
            try key.set(&target, value, inner, reading)
        }
        for key in keys where key.reference.isNeeded && target.lines[key.name] == nil {
            throw reading.error(
                at: spot.line(of: node), "\(spot.subject) has no '\(key.name)', which must be \(key.reference.words).")
        }
    }

    private func unknown(_ name: String, in spot: Spot) -> String {
        let meant = keys.first { $0.synonyms.contains(name) }?.name ?? nearest(to: name, in: names)
        return "\(spot.subject) has an unknown key '\(printable(name))'"
            + (meant.map { "; did you mean '\($0)'?" } ?? ".") + " Allowed: \(names.joined(separator: ", "))."
    }

    var schema: JSONValue {
        let needed = keys.filter(\.reference.isNeeded).map(\.name)
        var object = JSONValue.object([
            "type": "object",
            "additionalProperties": false,
            "properties": .object(keys.map { JSONValue.Member(name: $0.name, value: $0.schema) }),
        ])
        if !needed.isEmpty { object = object.adding("required", .strings(needed)) }
        if !alternatives.isEmpty {
            object = object.adding("oneOf", .array(alternatives.map { .object(["required": [.string($0)]]) }))
        }
        return object
    }
}

extension JSONValue {
    /// Two objects' members in one.
    func adding(contentsOf other: JSONValue) -> JSONValue {
        guard case .object(let members) = self, case .object(let others) = other else { return other }
        return .object(members + others)
    }
}

extension Reading {
    /// A mapping's names, each once, with their lines and values.
    func members(of node: Node, _ spot: Spot, _ words: String) throws -> [(name: String, line: Int, value: Node)] {
        guard case .mapping(let mapping) = node else { throw mismatch(node, spot, words) }
        var seen: Set<String> = []
        return try mapping.map { key, value in
            let line = key.mark?.line ?? spot.line
            guard case .scalar(let scalar) = key else {
                throw error(at: line, "a key of \(spot.subject) is \(key.found); it must be a word.")
            }
            if key.isPlainKey({ $0 == "<<" }) {
                throw error(
                    at: line,
                    "\(spot.subject) has a merge key ('<<'), which is not understood: an alias may stand for a whole value, and keys are written where they belong."
                )
            }
            guard seen.insert(scalar.string).inserted else {
                throw error(at: line, "\(spot.subject) has the key '\(printable(scalar.string))' twice; keep one.")
            }
            return (scalar.string, line, value)
        }
    }
}
