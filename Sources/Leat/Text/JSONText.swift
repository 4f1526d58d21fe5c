#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// One JSON value as it was written: what is taken out of it keeps its digits, its order and its spelling.
///
/// Payloads pass through unchanged, which a decoder into numbers and dictionaries could not promise.
package struct JSONText: Sendable, Hashable {
    package let bytes: [UInt8]

    /// - Returns: `nil` when it is not one JSON value.
    package init?(_ bytes: [UInt8]) {
        guard JSONSyntax.isValid(bytes) else { return nil }
        self.bytes = bytes
    }

    private init(part bytes: ArraySlice<UInt8>) { self.bytes = Array(bytes) }

    /// The members of an object; `nil` if these bytes are none, or not JSON. A name that stands twice is there twice.
    package static func members(of bytes: [UInt8]) -> [(name: String, value: JSONText)]? {
        JSONSyntax.members(of: bytes)?.map { member in
            (string(bytes[member.name]) ?? "", JSONText(part: bytes[member.value]))
        }
    }

    /// The elements of an array; `nil` if these bytes are none, or not JSON.
    package static func elements(of bytes: [UInt8]) -> [JSONText]? {
        JSONSyntax.elements(of: bytes)?.map { JSONText(part: bytes[$0]) }
    }

    package var members: [(name: String, value: JSONText)]? { Self.members(of: bytes) }
    package var elements: [JSONText]? { Self.elements(of: bytes) }
    package var text: String { String(decoding: bytes, as: UTF8.self) }
    package var isNull: Bool { bytes.elementsEqual("null".utf8) }
    package var isObjectOrArray: Bool {
        let first = bytes.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
        return first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
    }

    /// The value of a string.
    package var string: String? { Self.string(bytes[...]) }
    /// A whole number.
    package var integer: Int64? { Int64(text) }
    package var number: Double? {
        guard let first = bytes.first, first == UInt8(ascii: "-") || (0x30...0x39).contains(first) else { return nil }
        return Double(text)
    }

    /// A string that is no text: half of a pair of surrogates.
    package var isBroken: Bool { bytes.first == UInt8(ascii: "\"") && string == nil }

    /// What a payload is of this value: text as it is, anything else as it was written.
    package var payloadBytes: [UInt8] { string.map { Array($0.utf8) } ?? bytes }

    private static func string(_ bytes: ArraySlice<UInt8>) -> String? {
        guard bytes.count >= 2, bytes.first == UInt8(ascii: "\"") else { return nil }
        let inner = bytes.dropFirst().dropLast()
        if !inner.contains(UInt8(ascii: "\\")) { return String(decoding: inner, as: UTF8.self) }
        // Of valid JSON it refuses half a pair of surrogates alone, which `isBroken` tells.
        return try? JSONDecoder().decode(String.self, from: Data(bytes))
    }

    /// A text as a JSON string.
    package static func quoted(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = [UInt8(ascii: "\"")]
        bytes.reserveCapacity(text.utf8.count + 2)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0x0A: bytes += "\\n".utf8
            case 0x0D: bytes += "\\r".utf8
            case 0x09: bytes += "\\t".utf8
            case ..<0x20:
                let digits = String(byte, radix: 16)
                bytes += "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".utf8
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
        return bytes
    }
}
