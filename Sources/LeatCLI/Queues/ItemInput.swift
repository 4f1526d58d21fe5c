internal import Leat

/// The items on standard input, as many at a time as are there.
struct ItemInput: Sendable {
    let format: ItemFormat
    let key: String?
    let group: String?
    let isUnique: Bool
    private var splitter = LineSplitter(limit: limit)
    private var lines = 0
    private var isAtEnd = false

    /// An item, with the key and the group under which it is put.
    struct Entry: Sendable {
        let bytes: [UInt8]
        var key: String?
        var group: String?
    }

    private static let limit = Payload.limit

    /// - Parameters:
    ///   - format: of what is read.
    ///   - key: the field of a line of JSON whose value is its key.
    ///   - group: the field of a line of JSON whose value is its group.
    ///   - isUnique: whether a line is its own key.
    init(format: ItemFormat, key: String?, group: String?, isUnique: Bool) {
        self.format = format
        self.key = key
        self.group = group
        self.isUnique = isUnique
    }

    /// - Returns: `nil` at the end.
    /// - Throws: ``LeatError`` for a line that is not what it should be; what came before it has been returned.
    mutating func next() throws -> [Entry]? {
        if let refusal {
            self.refusal = nil
            throw refusal
        }
        while !isAtEnd {
            let piece = try StandardInput.read()
            isAtEnd = piece.isEmpty
            let entries = try format == .blob ? blob(piece) : entries(piece)
            if !entries.isEmpty { return entries }
            if let refusal { throw refusal }
        }
        return nil
    }

    /// Told when what came before it has been taken.
    private var refusal: LeatError?
    private var bytes: [UInt8] = []

    private mutating func blob(_ piece: [UInt8]) throws -> [Entry] {
        bytes += piece
        guard bytes.count <= Self.limit else { throw tooLong("Standard input") }
        return isAtEnd ? [Entry(bytes: bytes)] : []
    }

    private mutating func entries(_ piece: [UInt8]) throws -> [Entry] {
        var found: [[UInt8]]
        do {
            found = try splitter.add(piece)
        } catch is LineSplitter.TooLong {
            throw tooLong("Line \(lines + 1), or one that came with it,")
        }
        if isAtEnd, let last = splitter.finish() { found.append(last) }
        var entries: [Entry] = []
        for line in found {
            lines += 1
            do {
                if let entry = try entry(line) { entries.append(entry) }
            } catch let error as UnsuitableItem {
                refusal = LeatError(
                    .refused,
                    "Line \(lines) was not put, nor what follows: \(error.reason). Mend it, and go on with it (tail -n +\(lines))."
                )
                isAtEnd = true
                break
            }
        }
        return entries
    }

    private func entry(_ line: [UInt8]) throws -> Entry? {
        switch format {
        case .lines, .blob:
            guard isUnique else { return Entry(bytes: line) }
            guard let key = String(validating: line, as: UTF8.self) else {
                throw UnsuitableItem(reason: "it is not UTF-8, which a key must be")
            }
            return Entry(bytes: line, key: key)
        case .ndjson:
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { return nil }
            try ItemFormat.checkJSON(line)
            return Entry(
                bytes: line, key: try key.map { try ItemFormat.field($0, of: line) },
                group: try group.flatMap { try ItemFormat.optionalField($0, of: line) })
        }
    }

    private func tooLong(_ what: String) -> LeatError {
        LeatError(
            .refused,
            "\(what) has more than \(Self.limit >> 20) MiB, the most that an item may have here; put a reference to it instead."
        )
    }
}
