internal import ArgumentParser
internal import Leat

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// For people, or for programs.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
    case table
    case json
}

struct FormatOptions: ParsableArguments {
    @Option(help: "What is printed: a table for people, or one JSON object a line.")
    var format: OutputFormat = .table
}

/// A value as one line of JSON with sorted keys.
///
/// Control and bidirectional characters that JSON would let through are escaped as well: the line may meet a terminal.
func jsonLine(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var line = ""
    for scalar in String(decoding: try encoder.encode(value), as: UTF8.self).unicodeScalars {
        if printable(String(scalar)) == String(scalar) {
            line.unicodeScalars.append(scalar)
        } else {
            let digits = String(scalar.value, radix: 16)
            line += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
    }
    return line
}
