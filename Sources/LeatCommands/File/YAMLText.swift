internal import Leat
internal import Yams

/// The text of a pipeline file as YAML's nodes.
enum YAMLText {
    /// The one document that the bytes hold.
    ///
    /// - Throws: ``Leat/LeatError/Code/invalidPipeline`` with the line.
    static func compose(_ bytes: [UInt8], _ reading: Reading) throws -> Node {
        var bytes = bytes[...]
        // libyaml is told the encoding, and then takes a byte order mark for a character.
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            let line = firstInvalidLine(bytes)
            throw reading.error(at: line, "the file is not UTF-8 text; save it in that encoding.")
        }
        try checkKeys(bytes, reading)
        guard let node = try nodes(of: text, reading), !node.isNothing else {
            throw reading.error(
                at: 1,
                "the file is empty; it must hold a mapping with at least 'stages'. 'leat init' writes one to begin with."
            )
        }
        return node
    }

    /// Refuses keys that are not plain words.
    ///
    /// Yams holds a mapping's keys against each other as it composes, and a key that is an alias of aliases would keep it
    /// busy for ever. So the text is composed once with its aliases made ordinary words, which can't grow.
    private static func checkKeys(_ bytes: ArraySlice<UInt8>, _ reading: Reading) throws {
        var disarmed = Array(bytes)
        for index in disarmed.indices.dropLast() where disarmed[index] == UInt8(ascii: "*") {
            let next = disarmed[index + 1]
            let isName =
                (48...57).contains(next) || (65...90).contains(next) || (97...122).contains(next) || next == 95
                || next == 45
            if isName { disarmed[index] = UInt8(ascii: "^") }
        }
        guard let root = try nodes(of: String(decoding: disarmed, as: UTF8.self), reading) else { return }
        var rest = [(node: root, depth: 1)]
        while let (node, depth) = rest.popLast() {
            guard depth <= mostLevels else {
                throw reading.error(
                    at: node.mark?.line ?? 1,
                    "the file nests values more than \(mostLevels) deep; nothing in it needs that.")
            }
            switch node {
            case .scalar, .alias: continue
            case .sequence(let elements): rest += elements.map { ($0, depth + 1) }
            case .mapping(let mapping):
                for (key, value) in mapping {
                    guard case .scalar = key, !key.isPlainKey({ $0.hasPrefix("^") }) else {
                        throw reading.error(
                            at: key.mark?.line ?? 1,
                            "a key is a list, a mapping or an alias; write keys as plain words.")
                    }
                    rest.append((value, depth + 1))
                }
            }
        }
    }

    private static let mostLevels = 32

    private static func nodes(of text: String, _ reading: Reading) throws -> Node? {
        do {
            return try Yams.compose(yaml: text, .default, .default, .utf8)
        } catch let error as YamlError {
            throw translated(error, text, reading)
        }
    }

    private static func translated(_ error: YamlError, _ text: String, _ reading: Reading) -> LeatError {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            if problem.contains("another document") {
                return reading.error(at: mark.line, "a second document begins here; a file holds one pipeline.")
            }
            if isIndentedByTab(mark.line, text) {
                return reading.error(at: mark.line, "the line is indented with a tab; YAML wants spaces.")
            }
            // libyaml's words, such as "while parsing a block mapping" and "did not find expected key".
            let words = context.map { "\($0.text.trimmingEnd) (line \($0.mark.line)) " } ?? ""
            return LeatError(
                .invalidPipeline,
                "\(reading.file):\(mark.line):\(mark.column): this is not YAML: \(printable(words + problem)).")
        case .reader(let problem, let offset, _, _):
            let line = text.prefix(offset ?? 0).count { $0.isNewline } + 1
            return reading.error(at: line, "there is a character that can't be in YAML: \(printable(problem)).")
        case .duplicatedKeysInMapping(let names, let context):
            let keys = names.map { "'\(printable($0))'" }.joined(separator: ", ")
            return reading.error(
                at: context.mark.line, "the key \(keys) stands here, and again in the same mapping; keep one.")
        case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
            return reading.error(at: 1, "the file can't be read as YAML: it nests too deep, or is too large.")
        }
    }

    private static func isIndentedByTab(_ line: Int, _ text: String) -> Bool {
        let lines = text.split(separator: "\n", maxSplits: line, omittingEmptySubsequences: false)
        guard line >= 1, line <= lines.count else { return false }
        return lines[line - 1].prefix { $0 == " " || $0 == "\t" }.contains("\t")
    }

    private static func firstInvalidLine(_ bytes: ArraySlice<UInt8>) -> Int {
        let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
        return (lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0) + 1
    }
}

extension String {
    fileprivate var trimmingEnd: Substring {
        self[..<(lastIndex { !$0.isWhitespace }.map(index(after:)) ?? startIndex)]
    }
}
