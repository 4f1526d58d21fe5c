internal import Leat

/// How many lines of a source have been put, with what proves that they are the same ones the next time.
///
/// It holds a hash of all lines, and hashes at a few places before, so that a change can be told from the lines that it is
/// between. As it is saved: `{"count":3,"hash":"85944171f73967e8","marks":[{"count":1,"hash":"…"}]}`.
struct LineCursor: Codable, Sendable, Hashable {
    struct Mark: Codable, Sendable, Hashable {
        var count: Int64
        var hash: String
    }

    var count: Int64
    var hash: String
    var marks: [Mark]
}

/// Counts and hashes a source's lines, and holds those that were put before against their cursor.
struct LineLedger: Sendable {
    private let saved: LineCursor?
    /// Places of the saved cursor that are still ahead, the last one first.
    private var ahead: [LineCursor.Mark]
    /// The last place that was found unchanged.
    private var unchanged: Int64 = 0
    private(set) var count: Int64 = 0
    private var hash = ElementHash()
    private var marks: [LineCursor.Mark] = []
    /// The lines since that, and how many before them were not empty: to tell which one has changed.
    private(set) var unproved: [[UInt8]] = []
    /// How many bytes they have; too many are not kept, and the change is told by its range.
    private var unprovedBytes = 0
    private static let mostUnproved = 4 << 20
    private(set) var putBefore: Int64 = 0
    private var newItems: Int64 = 0
    /// Lines from mark to mark; doubles when there are too many marks.
    private var stride: Int64 = 1
    private static let mostMarks = 64

    init(after saved: LineCursor?) {
        self.saved = saved
        ahead = saved.map { ($0.marks + [LineCursor.Mark(count: $0.count, hash: $0.hash)]).reversed() } ?? []
    }

    /// A line comes.
    ///
    /// - Returns: whether it is a new one.
    /// - Throws: ``Changed`` when those before it are not what they were.
    mutating func add(_ line: [UInt8]) throws -> Bool {
        count += 1
        line.withUnsafeBytes { hash.add($0) }
        if count % stride == 0 { mark() }
        if !ahead.isEmpty { keep(line) }
        guard let next = ahead.last, next.count == count else { return saved.map { count > $0.count } ?? true }
        guard next.hash == hash.text else { throw Changed(first: unchanged + 1, last: count) }
        unchanged = count
        ahead.removeLast()
        putBefore += newItems
        (unproved, unprovedBytes, newItems) = ([], 0, 0)
        return false
    }

    private mutating func keep(_ line: [UInt8]) {
        newItems += line.isEmpty ? 0 : 1
        unprovedBytes += line.count + 1
        if unprovedBytes > Self.mostUnproved { unproved = [] } else { unproved.append(line) }
    }

    /// Whether the next line is a new one, so that adding it can't fail.
    var isAtEnd: Bool { saved.map { count >= $0.count } ?? true }

    private mutating func mark() {
        marks.append(LineCursor.Mark(count: count, hash: hash.text))
        guard marks.count > Self.mostMarks else { return }
        stride *= 2
        marks.removeAll { $0.count % stride != 0 }
    }

    /// `nil` as long as nothing was taken beyond what is saved.
    var cursor: LineCursor? {
        if let saved, count <= saved.count { return nil }
        return LineCursor(count: count, hash: hash.text, marks: marks.filter { $0.count < count })
    }

    /// How many lines are missing, when no more come.
    var missing: Int64 { saved.map { max($0.count - count, 0) } ?? 0 }

    /// Lines that were put before are not what they were: one or more from the first to the last of these.
    struct Changed: Error, Hashable {
        let first: Int64
        let last: Int64
    }
}
