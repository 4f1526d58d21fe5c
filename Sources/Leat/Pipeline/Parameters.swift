/// What one run of a pipeline is about: a day, a region, a file's name.
///
/// They are stored with the run: the same command resumes it, and a changed value is refused, as a new run is a new file.
///
/// ```swift
/// static var pipeline: Pipeline { get throws { try pipeline(with: ["day": "2026-11-01"]) } }
///
/// static func pipeline(with parameters: Parameters) throws -> Pipeline {
///     let day = try parameters["day"]
///     return try Pipeline("flights", parameters: parameters) {
///         Producer("read", to: "lines", repeating: { lines(of: day) })
///         Consumer("load", from: "lines") { (line: String) in load(line) }
///     }
/// }
/// ```
public struct Parameters: Sendable, Hashable, Codable, ExpressibleByDictionaryLiteral {
    public private(set) var values: [String: String]

    /// - Throws: ``LeatError/Code/invalidName`` for a name that is not `[a-z][a-z0-9_]{0,62}`.
    public init(_ values: [String: String] = [:]) throws {
        for name in values.keys { _ = try ParameterName(checking: name) }
        self.values = values
    }

    /// Names written in the program; a malformed one is a programmer's error and stops it.
    public init(dictionaryLiteral elements: (String, String)...) {
        values = Dictionary(
            elements.map { (ParameterName(stringLiteral: $0).rawValue, $1) }, uniquingKeysWith: { $1 })
    }

    /// - Throws: ``LeatError/Code/notFound`` when there is none of that name.
    public subscript(name: String) -> String {
        get throws {
            guard let value = values[name] else {
                let names = values.keys.sorted().joined(separator: ", ")
                throw LeatError(
                    .notFound,
                    "There is no parameter '\(printable(name))'\(names.isEmpty ? "" : "; the parameters are \(names)")."
                )
            }
            return value
        }
    }

    /// The same with other values for some of them.
    ///
    /// - Throws: ``LeatError/Code/notFound`` for a name that isn't there.
    package func changed(to other: [String: String]) throws -> Parameters {
        var copy = self
        for (name, value) in other {
            _ = try self[name]
            copy.values[name] = value
        }
        return copy
    }

    /// What is not as it was, in a sentence.
    package func difference(from stored: Parameters) -> String? {
        for name in Set(values.keys).union(stored.values.keys).sorted() where values[name] != stored.values[name] {
            func text(_ value: String?) -> String { value.map { "'\(printable($0))'" } ?? "not there" }
            return "parameter '\(name)' was \(text(stored.values[name])), and is now \(text(values[name]))"
        }
        return nil
    }
}

/// It may become an environment variable's name.
private struct ParameterName: LeatName {
    static var noun: String { "parameter" }
    let rawValue: String
    init(unchecked rawValue: String) { self.rawValue = rawValue }
}
