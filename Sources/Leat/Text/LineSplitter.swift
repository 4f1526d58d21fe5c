/// Lines out of pieces of bytes as they come: what is read at once need not end with a line.
package struct LineSplitter: Sendable {
    private var rest: [UInt8] = []
    /// How many bytes of it are known to hold no end.
    private var seen = 0
    private let limit: Int

    package struct TooLong: Error {
        /// The lines of the same piece that came before it, so that what is known of them does not depend on how the bytes were
        /// cut into pieces.
        package let before: [[UInt8]]
    }

    /// - Parameter limit: how many bytes a line may have.
    package init(limit: Int) { self.limit = limit }

    /// The lines that a piece completes, without their ends.
    package mutating func add(_ piece: some Sequence<UInt8>) throws -> [[UInt8]] {
        rest += piece
        var lines: [[UInt8]] = []
        var start = rest.startIndex
        while let end = rest[max(start, seen)...].firstIndex(of: UInt8(ascii: "\n")) {
            guard end - start <= limit else { throw TooLong(before: lines) }
            lines.append(Array(rest[start..<end]))
            start = end + 1
        }
        if start > 0 { rest.removeSubrange(..<start) }
        seen = rest.count
        guard rest.count <= limit else { throw TooLong(before: lines) }
        return lines
    }

    /// The last line, if it has no end.
    package mutating func finish() -> [UInt8]? {
        defer { (rest, seen) = ([], 0) }
        return rest.isEmpty ? nil : rest
    }
}
