#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// A type that writes and reads its payload itself, where JSON by `Codable` would be what holds a pipeline back.
///
/// ```swift
/// struct Reading: PayloadConvertible {
///     var sensor: Int
///     var celsius: Double
///
///     var payload: Payload { .text("\(sensor) \(celsius)") }
///
///     init(payload: Payload) throws {
///         let fields = String(decoding: payload.bytes, as: UTF8.self).split(separator: " ")
///         guard fields.count == 2, let sensor = Int(fields[0]), let celsius = Double(fields[1]) else {
///             throw PermanentError("'\(payload.preview)' is no reading.")
///         }
///         (self.sensor, self.celsius) = (sensor, celsius)
///     }
/// }
/// ```
///
/// What it writes is what `sqlite3` shows, and what other programs must read. Its `Codable` conformance, which comes with
/// the protocol, is for what holds such a value within another.
public protocol PayloadConvertible: Codable, SendableMetatype {
    /// Equal values have equal payloads: a sequence that is given again is told by them.
    var payload: Payload { get }

    /// - Throws: what tells why the payload is no such value. ``PermanentError``, as no further attempt could read it;
    ///   another error is an attempt's, and is tried again.
    init(payload: Payload) throws
}

extension PayloadConvertible {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        // Which of the two stands there a decoder tells only by trying; what the second finds wrong is told.
        if let text = try? container.decode(String.self) {
            try self.init(payload: .text(text))
        } else {
            try self.init(payload: .blob(container.decode([UInt8].self)))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch payload {
        case .text(let text): try container.encode(text)
        case .blob(let bytes): try container.encode(bytes)
        }
    }
}

/// How values of one type become payloads and come back.
///
/// `String` and `[UInt8]` are taken as they are, and a ``PayloadConvertible`` type as it says; any other `Codable`
/// type is JSON with sorted keys, so equal values have equal payloads.
///
/// Cost: of raw text and bytes tens of nanoseconds, of JSON microseconds a value (Foundation's coder): `make bench` tells.
public struct PayloadCoder<Value: Codable & Sendable>: Sendable {
    let encodeValue: @Sendable (Value) throws -> Payload
    let decodeValue: @Sendable (Payload) throws -> Value

    public init() {
        if Value.self == String.self {
            self.init(typed: { text in holdsNUL(text.utf8) ? .blob(Array(text.utf8)) : .text(text) }) { payload in
                switch payload {
                case .text(let text): return text
                case .blob(let bytes):
                    guard let text = String(validating: bytes, as: UTF8.self) else {
                        throw PermanentError("The payload is \(bytes.count) bytes that are not UTF-8 text.")
                    }
                    return text
                }
            }
        } else if Value.self == [UInt8].self {
            self.init(typed: { bytes in Payload(bytes: bytes) }) { payload in payload.bytes }
        } else if let convertible = Value.self as? any PayloadConvertible.Type {
            self.init(convertible)
        } else {
            self.init(encoder: JSONEncoder(), decoder: JSONDecoder())
        }
    }

    /// Of functions on the type that `Value` is: it was compared before. The functions are cast, not each of their values.
    private init<Known>(
        typed encode: @escaping @Sendable (Known) throws -> Payload,
        _ decode: @escaping @Sendable (Payload) throws -> Known
    ) {
        encodeValue = encode as! @Sendable (Value) throws -> Payload
        decodeValue = decode as! @Sendable (Payload) throws -> Value
    }

    private init<Convertible: PayloadConvertible>(_: Convertible.Type) {
        self.init(typed: { (value: Convertible) in value.payload }) { payload in try Convertible(payload: payload) }
    }

    private init(encoder: JSONEncoder, decoder: JSONDecoder) {
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
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
