internal import Leat
internal import Synchronization

/// What a command writes on standard error: it goes on to the log, and its end is kept for the attempt that fails.
package final class ErrorOutput: Sendable {
    /// How much of one attempt goes to the log: a command that floods it hides the others.
    package static let logLimit = 64 << 10

    private let state = Mutex(ErrorState())
    private let log: @Sendable (String) -> Void
    private let raw: @Sendable ([UInt8]) -> Void

    /// - Parameters:
    ///   - raw: takes all of it, as it comes.
    ///   - log: takes a line, safe for a terminal.
    package init(
        raw: @escaping @Sendable ([UInt8]) -> Void = { _ in }, log: @escaping @Sendable (String) -> Void
    ) {
        self.log = log
        self.raw = raw
    }

    /// Another attempt begins: what is kept from here on is its own.
    package func begin() {
        state.withLock { state in
            state.tail = []
            state.logged = 0
            state.isCut = false
        }
    }

    func add(_ bytes: [UInt8]) {
        let lines = state.withLock { state in
            state.tail += bytes.suffix(Evidence.limit)
            // Seldom, so that it is not moved for each piece.
            if state.tail.count > 2 * Evidence.limit { state.tail.removeFirst(state.tail.count - Evidence.limit) }
            return state.lines(of: bytes)
        }
        for line in lines { log(line) }
        raw(bytes)
    }

    /// Its last words, at most ``Leat/Evidence/limit`` bytes; `nil` if there are none.
    package var tail: String? { state.withLock { $0.text } }

    /// The same when no more will come; a line without its end goes to the log.
    package func finish() -> String? {
        let (text, line) = state.withLock { ($0.text, $0.splitter.finish()) }
        if let line { log(printable(String(decoding: line, as: UTF8.self))) }
        return text
    }
}

private struct ErrorState {
    var tail: [UInt8] = []
    var splitter = LineSplitter(limit: lineLimit)
    /// Bytes of this attempt that went to the log.
    var logged = 0
    var isCut = false

    /// Of a longer line the log has the beginning.
    private static let lineLimit = 8 << 10

    var text: String? {
        var tail = tail.suffix(Evidence.limit)
        // A character that was cut in two.
        while let first = tail.first, first & 0xC0 == 0x80 { tail.removeFirst() }
        return tail.isEmpty ? nil : String(decoding: tail, as: UTF8.self)
    }

    /// Lines for the log.
    mutating func lines(of bytes: [UInt8]) -> [String] {
        guard logged < ErrorOutput.logLimit else {
            guard !isCut else { return [] }
            isCut = true
            splitter = LineSplitter(limit: Self.lineLimit)
            return ["(what follows of this attempt is left out here; the end of it is kept if it fails)"]
        }
        logged += bytes.count
        do {
            return try splitter.add(bytes.prefix(ErrorOutput.logLimit)).map {
                printable(String(decoding: $0, as: UTF8.self))
            }
        } catch {
            splitter = LineSplitter(limit: Self.lineLimit)
            return [printable(String(decoding: bytes.prefix(200), as: UTF8.self)) + "…"]
        }
    }
}
