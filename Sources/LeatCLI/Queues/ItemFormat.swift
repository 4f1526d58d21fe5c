internal import ArgumentParser
internal import Leat

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// How items are written on standard input and output.
enum ItemFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
    /// A line an item, as it is.
    case lines
    /// A line of JSON an item.
    case ndjson
    /// All of it is one item, bytes as they are.
    case blob
}

struct ItemFormatOptions: ParsableArguments {
    @Option(
        name: .customLong("as"),
        help: "What an item is: a line as it is, a line of JSON, or all there is (bytes as they are).")
    var format: ItemFormat = .lines
}

/// An item that can't be written in the format that was asked for, or read.
struct UnsuitableItem: Error {
    let reason: String
}

extension ItemFormat {
    /// What an item looks like on standard output, its end of line included.
    ///
    /// - Throws: ``UnsuitableItem`` when whoever reads could not tell where it ends.
    func write(_ payload: Payload) throws -> [UInt8] {
        switch self {
        case .blob: return payload.bytes
        case .lines:
            let bytes = payload.bytes
            guard !bytes.contains(UInt8(ascii: "\n")) else {
                throw UnsuitableItem(reason: "it holds a line break, so that nobody could tell its lines from items")
            }
            return bytes + [UInt8(ascii: "\n")]
        case .ndjson: return Array(try json(payload).utf8) + [UInt8(ascii: "\n")]
        }
    }

    private func json(_ payload: Payload) throws -> String {
        switch payload {
        case .blob: return try jsonLine(["payload_base64": payload.jsonFields.base64 ?? ""])
        case .text(let text):
            guard JSONSyntax.isValid(text.utf8) else { return try jsonLine(text) }
            // Between its values only: inside a string these two are escaped.
            let bytes = text.utf8.map { $0 == 0x0A || $0 == 0x0D ? UInt8(ascii: " ") : $0 }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    /// The key, or the group, that a line of JSON has in one of its fields.
    static func field(_ field: String, of line: [UInt8]) throws -> String {
        let object = try? JSONDecoder().decode([String: FieldValue].self, from: Data(line))
        guard let value = object?[field]?.text else {
            throw UnsuitableItem(reason: "it is no object with a string or a whole number in '\(printable(field))'")
        }
        return value
    }

    /// The same, where a line may lack the field.
    static func optionalField(_ field: String, of line: [UInt8]) throws -> String? {
        let object = try? JSONDecoder().decode([String: FieldValue?].self, from: Data(line))
        if let object, object[field].flatMap({ $0 }) == nil { return nil }
        return try self.field(field, of: line)
    }

    static func checkJSON(_ line: [UInt8]) throws {
        guard JSONSyntax.isValid(line) else { throw UnsuitableItem(reason: "it is not JSON") }
    }
}

/// A field of a line of JSON: a word, or something that is none.
private struct FieldValue: Decodable {
    let text: String?

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        text = (try? container.decode(String.self)) ?? (try? container.decode(Int64.self)).map { String($0) }
    }
}
