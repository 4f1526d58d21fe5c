internal import Leat
internal import Yams

/// The reading of one pipeline file: what its errors need to know, and how much has been looked at.
final class Reading {
    /// As whoever runs the pipeline calls the file.
    let file: String
    /// The real path of the folder that the file is in.
    let folder: String
    private var visited = 0

    /// An alias may stand for a list whose elements are aliases in turn, so a small file may hold more than fits into memory.
    static let mostValues = 100_000

    init(file: String, folder: String) {
        self.file = printable(file)
        self.folder = folder
    }

    /// An error of a line, as compilers write them, so that editors find the place.
    func error(at line: Int, _ sentence: String) -> LeatError {
        LeatError(.invalidPipeline, "\(file):\(line): \(sentence)")
    }

    /// Counts a value, and refuses what no form understands.
    func visit(_ node: Node, _ spot: Spot) throws {
        visited += 1
        guard visited <= Self.mostValues else {
            throw error(
                at: spot.line,
                "the file holds more than \(Self.mostValues) values, aliases counted each time; write less of them.")
        }
        let tag = node.writtenTag
        guard ["", "!", "str", "seq", "map"].contains(tag.replacing("tag:yaml.org,2002:", with: "")) else {
            throw error(
                at: spot.line(of: node),
                "\(spot.subject) has the YAML tag '\(printable(tag))', which means nothing here; leave it out.")
        }
    }

    /// What a value is not.
    func mismatch(_ node: Node, _ spot: Spot, _ words: String, hint: String = "") -> LeatError {
        let end = hint.isEmpty ? "." : "; \(hint)\(hint.hasSuffix("?") ? "" : ".")"
        return error(
            at: spot.line(of: node), "\(spot.subject) must be \(spot.words ?? words), not \(node.found)\(end)")
    }
}

/// Where a value stands: what a message calls it, and its line.
struct Spot {
    /// `'timeout' of stage 'count'`; of the file itself, `the file`.
    let subject: String
    /// Of its key.
    let line: Int
    /// What the value must be, when its own form is one of several.
    var words: String?

    static let file = Spot(subject: "the file", line: 1)

    func key(_ name: String, _ line: Int) -> Spot {
        let own = "'\(printable(name))'"
        return Spot(subject: subject == Self.file.subject ? own : "\(own) of \(subject)", line: line)
    }

    /// What stands nowhere is told at its key.
    func line(of node: Node) -> Int { node.isNothing ? line : node.mark?.line ?? line }
}

extension Node {
    /// A plain scalar that YAML takes for null; all others are text, as written.
    var isNothing: Bool {
        guard case .scalar(let scalar) = self, isPlain else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    /// A scalar without quotes, block or tag.
    var isPlain: Bool {
        guard case .scalar(let scalar) = self else { return false }
        return scalar.style == .plain && scalar.tag.rawValue.isEmpty
    }

    /// A scalar without quotes or block. Of a key the tag does not tell: Yams has resolved it as it looked for duplicates.
    func isPlainKey(_ test: (String) -> Bool) -> Bool {
        guard case .scalar(let scalar) = self else { return false }
        return scalar.style == .plain && test(scalar.string)
    }

    /// Not the resolved one, which costs a dozen regular expressions.
    var writtenTag: String {
        switch self {
        case .scalar(let scalar): scalar.tag.rawValue
        case .mapping(let mapping): mapping.tag.rawValue
        case .sequence(let sequence): sequence.tag.rawValue
        case .alias: ""
        }
    }

    /// What it is, for a message.
    var found: String {
        switch self {
        case .scalar where isNothing: return "nothing"
        case .scalar(let scalar):
            let text = scalar.string.count > 60 ? scalar.string.prefix(60) + "…" : scalar.string
            return isPlain ? "'\(printable(text))'" : "the text '\(printable(text))'"
        case .mapping: return "a mapping"
        case .sequence: return "a list"
        case .alias: return "an alias"
        }
    }
}

/// The word among `words` that somebody who wrote `word` is likely to have meant.
func nearest(to word: String, in words: [String]) -> String? {
    let distances = words.map { ($0, editDistance(Array(word.lowercased().utf8.prefix(64)), Array($0.utf8))) }
    guard let (best, distance) = distances.min(by: { $0.1 < $1.1 }) else { return nil }
    return distance <= max(1, min(word.utf8.count / 2, 3)) ? best : nil
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
private func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var rows = [Array(0...right.count)]
    for i in left.indices {
        var row = [i + 1]
        for j in right.indices {
            var best = min(row[j] + 1, rows[i][j + 1] + 1, rows[i][j] + (left[i] == right[j] ? 0 : 1))
            if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                best = min(best, rows[i - 1][j - 1] + 1)
            }
            row.append(best)
        }
        rows.append(row)
    }
    return rows[left.count][right.count]
}
