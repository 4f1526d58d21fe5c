#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// How values of one type become payloads and come back.
///
/// `String` and `[UInt8]` are taken as they are; any other `Codable` type is JSON
/// with sorted keys, so equal values have equal payloads.
///
/// Cost: raw text and bytes a cast; JSON 6–9 µs for some hundred bytes (Foundation's coder).
public struct PayloadCoder<Value: Codable & Sendable>: Sendable {
    let encodeValue: @Sendable (Value) throws -> Payload
    let decodeValue: @Sendable (Payload) throws -> Value

    public init() {
        if Value.self == String.self {
            encodeValue = { value in
                // The type was compared when the coder was made.
                let text = value as! String
                return holdsNUL(text.utf8) ? .blob(Array(text.utf8)) : .text(text)
            }
            decodeValue = { payload in
                switch payload {
                case .text(let text): return text as! Value
                case .blob(let bytes):
                    guard let text = String(validating: bytes, as: UTF8.self) else {
                        throw PermanentError("The payload is \(bytes.count) bytes that are not UTF-8 text.")
                    }
                    return text as! Value
                }
            }
        } else if Value.self == [UInt8].self {
            encodeValue = { value in Payload(bytes: value as! [UInt8]) }
            decodeValue = { payload in payload.bytes as! Value }
        } else {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            let decoder = JSONDecoder()
            encodeValue = { value in
                do {
                    return .text(String(decoding: try encoder.encode(value), as: UTF8.self))
                } catch {
                    throw LeatError(.payload, "A value of type \(Value.self) can't be written as JSON.", cause: error)
                }
            }
            decodeValue = { payload in
                do {
                    return try decoder.decode(Value.self, from: Data(payload.bytes))
                } catch {
                    // Decoding again gives the same, so no attempt is spent on it.
                    throw PermanentError("The payload is not a \(Value.self): \(summary(of: error))")
                }
            }
        }
    }

    /// The payload of a value.
    ///
    /// - Throws: ``LeatError/Code/payload`` when it can't be encoded, or has more than ``Payload/limit`` bytes.
    public func encode(_ value: Value) throws -> Payload {
        let payload = try encodeValue(value)
        guard payload.count <= Payload.limit else {
            throw LeatError(
                .payload,
                "A value of type \(Value.self) has \(payload.count) bytes as a payload, and the most is \(Payload.limit); put what is large elsewhere, and a reference to it into the queue."
            )
        }
        return payload
    }

    /// The value of a payload.
    ///
    /// - Throws: ``PermanentError`` when the payload is not such a value: no further attempt could read it.
    public func decode(_ payload: Payload) throws -> Value { try decodeValue(payload) }
}

/// Foundation's decoding errors in a sentence: where, and what was expected.
private func summary(of error: any Error) -> String {
    guard let error = error as? DecodingError else { return "\(error)" }
    func place(_ context: DecodingError.Context) -> String {
        let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
        return path.isEmpty ? "" : " at \(path)"
    }
    switch error {
    case .keyNotFound(let key, let context): return "'\(key.stringValue)' is missing\(place(context))"
    case .valueNotFound(let type, let context): return "no \(type)\(place(context))"
    case .typeMismatch(let type, let context): return "not a \(type)\(place(context))"
    case .dataCorrupted(let context): return "\(context.debugDescription)\(place(context))"
    @unknown default: return "\(error)"
    }
}
