internal import Leat

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// A line of a text file, with its number; the first line is 1.
package struct Line: Sendable, Hashable {
    package var number: Int
    package var text: String

    package init(number: Int, text: String) {
        self.number = number
        self.text = text
    }
}

/// The lines of a text file that follow a given one.
///
/// The file is read whole (a month is 3 MB), its lines are made one by one. An
/// empty last line is none.
package struct Lines: Sequence, Sendable {
    private let bytes: [UInt8]
    private let passed: Int

    /// - Parameter passed: how many lines to leave out: the number of the last line that was dealt with.
    package init(of path: String, after passed: Int = 0) throws {
        guard let data = FileManager.default.contents(atPath: path) else { throw Self.missing(path) }
        self.init(bytes: Array(data), after: passed)
    }

    /// Trying again does not bring it.
    private static func missing(_ path: String) -> PermanentError {
        PermanentError(
            "The file \(path) can't be read; lay the data out with Examples/Flights/prepare.sh, or name their folder in FLIGHTS_DATA."
        )
    }

    init(bytes: [UInt8], after passed: Int = 0) {
        self.bytes = bytes
        self.passed = passed
    }

    package func makeIterator() -> AnyIterator<Line> {
        var rest = bytes[...]
        var number = 0
        return AnyIterator {
            while !rest.isEmpty {
                let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
                let line = rest[..<end]
                rest = rest[end...].dropFirst()
                number += 1
                guard number > passed else { continue }
                return Line(number: number, text: String(decoding: line, as: UTF8.self))
            }
            return nil
        }
    }
}

/// Splits a line at its commas. The files quote nothing.
///
/// By bytes: splitting by characters looks for the ends of graphemes and takes six times as long.
func fields(of line: String) -> [Substring] {
    line.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map(Substring.init)
}

/// The rows of a table with a header, each as its fields.
///
/// - Throws: when a row has more or fewer fields than the header.
func rows(of path: String) throws -> [[Substring]] {
    let rows = try Lines(of: path).map { fields(of: $0.text) }
    guard let header = rows.first else { return [] }
    for (index, row) in rows.enumerated() where row.count != header.count {
        throw MalformedTable(path: path, line: index + 1, found: row.count, expected: header.count)
    }
    return Array(rows.dropFirst())
}

struct MalformedTable: Error, CustomStringConvertible {
    var path: String
    var line: Int
    var found: Int
    var expected: Int

    var description: String { "\(path), line \(line): \(found) fields where the header has \(expected)." }
}
