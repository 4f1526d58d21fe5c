/// Whether bytes are one JSON text (RFC 8259), and nothing else: what others read as JSON must be it.
///
/// Foundation's decoder takes trailing commas, leading zeros and other encodings.
package struct JSONSyntax {
    private let bytes: [UInt8]
    private var place = 0
    /// Deeper nesting is refused: whoever reads it would run out of stack.
    private static let deepest = 500

    package static func isValid(_ bytes: some Collection<UInt8>) -> Bool {
        let bytes = Array(bytes)
        guard String(validating: bytes, as: UTF8.self) != nil else { return false }
        var syntax = JSONSyntax(bytes: bytes)
        syntax.skipBlanks()
        guard syntax.value(depth: 0) else { return false }
        syntax.skipBlanks()
        return syntax.place == bytes.count
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

    private mutating func take(_ character: Character) -> Bool {
        guard let next, next == character.asciiValue else { return false }
        place += 1
        return true
    }

    private mutating func skipBlanks() {
        while let next, next == 0x20 || next == 0x09 || next == 0x0A || next == 0x0D { place += 1 }
    }

    private mutating func value(depth: Int) -> Bool {
        guard depth < Self.deepest, let next else { return false }
        switch next {
        case UInt8(ascii: "{"): return members(depth: depth)
        case UInt8(ascii: "["): return elements(depth: depth)
        case UInt8(ascii: "\""): return string()
        case UInt8(ascii: "t"): return word("true")
        case UInt8(ascii: "f"): return word("false")
        case UInt8(ascii: "n"): return word("null")
        default: return number()
        }
    }

    private mutating func word(_ word: String) -> Bool {
        for character in word where !take(character) { return false }
        return true
    }

    private mutating func members(depth: Int) -> Bool {
        list(closing: "}") { syntax in
            guard syntax.string() else { return false }
            syntax.skipBlanks()
            guard syntax.take(":") else { return false }
            syntax.skipBlanks()
            return syntax.value(depth: depth + 1)
        }
    }

    private mutating func elements(depth: Int) -> Bool {
        list(closing: "]") { $0.value(depth: depth + 1) }
    }

    private mutating func list(closing: Character, _ member: (inout JSONSyntax) -> Bool) -> Bool {
        place += 1
        skipBlanks()
        if take(closing) { return true }
        while true {
            guard member(&self) else { return false }
            skipBlanks()
            if take(closing) { return true }
            guard take(",") else { return false }
            skipBlanks()
        }
    }

    private mutating func string() -> Bool {
        guard take("\"") else { return false }
        while let next {
            place += 1
            switch next {
            case UInt8(ascii: "\""): return true
            case UInt8(ascii: "\\"): guard escape() else { return false }
            case ..<0x20: return false
            default: break
            }
        }
        return false
    }

    private mutating func escape() -> Bool {
        for character in "\"\\/bfnrt" where take(character) { return true }
        guard take("u") else { return false }
        for _ in 0..<4 {
            guard let next, Character(UnicodeScalar(next)).isHexDigit else { return false }
            place += 1
        }
        return true
    }

    private mutating func number() -> Bool {
        _ = take("-")
        if !take("0") { guard digits() else { return false } }
        if take(".") { guard digits() else { return false } }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            guard digits() else { return false }
        }
        return true
    }

    private mutating func digits() -> Bool {
        let start = place
        while let next, (0x30...0x39).contains(next) { place += 1 }
        return place > start
    }
}

// MARK: Parts

extension JSONSyntax {
    /// The members of an object as they are written, or `nil` if it is not one, or not JSON.
    static func members(of bytes: [UInt8]) -> [(name: Range<Int>, value: Range<Int>)]? {
        var members: [(Range<Int>, Range<Int>)] = []
        let isObject = whole(bytes, UInt8(ascii: "{")) { syntax in
            syntax.list(closing: "}") { syntax in
                let start = syntax.place
                guard syntax.string() else { return false }
                let name = start..<syntax.place
                syntax.skipBlanks()
                guard syntax.take(":") else { return false }
                syntax.skipBlanks()
                let value = syntax.place
                guard syntax.value(depth: 1) else { return false }
                members.append((name, value..<syntax.place))
                return true
            }
        }
        return isObject ? members : nil
    }

    /// The elements of an array as they are written, or `nil` if it is not one, or not JSON.
    static func elements(of bytes: [UInt8]) -> [Range<Int>]? {
        var elements: [Range<Int>] = []
        let isArray = whole(bytes, UInt8(ascii: "[")) { syntax in
            syntax.list(closing: "]") { syntax in
                let start = syntax.place
                guard syntax.value(depth: 1) else { return false }
                elements.append(start..<syntax.place)
                return true
            }
        }
        return isArray ? elements : nil
    }

    private static func whole(
        _ bytes: [UInt8], _ opening: UInt8, _ list: (inout JSONSyntax) -> Bool
    ) -> Bool {
        guard String(validating: bytes, as: UTF8.self) != nil else { return false }
        var syntax = JSONSyntax(bytes: bytes)
        syntax.skipBlanks()
        guard syntax.next == opening, list(&syntax) else { return false }
        syntax.skipBlanks()
        return syntax.place == bytes.count
    }
}
