package import Leat

/// The protocol of mode `ack`: lines of JSON both ways. Version 1.
enum AckProtocol {
    static let version: Int64 = 1

    /// The first line that a command is given.
    static func hello(stage: StageName, run: String, window: Int) -> [UInt8] {
        line(
            #"{"hello":\#(version),"stage":"\#(stage)","run":"#.utf8 + JSONText.quoted(run)
                + #","window":\#(window)}"#.utf8)
    }

    /// An item. An object or an array is given as it is, anything else as a string.
    ///
    /// - Throws: ``CommandProtocolError`` when it is not text.
    static func item(_ item: Item, key: String) throws -> [UInt8] {
        guard case .text(let text) = item.payload else {
            throw CommandProtocolError(
                "the item is \(item.payload.count) bytes that are not text; mode item can take it")
        }
        var bytes = Array(#"{"id":\#(item.id),"attempt":\#(item.attempts + 1),"key":"#.utf8)
        bytes += JSONText.quoted(key)
        bytes += #","body":"#.utf8
        let value = JSONText(Array(text.utf8))
        if let value, value.isObjectOrArray {
            // Outside of strings the end of a line is a blank.
            bytes += value.bytes.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 }
        } else {
            bytes += JSONText.quoted(text)
        }
        bytes.append(UInt8(ascii: "}"))
        return line(bytes)
    }

    static func end(_ ending: StreamEnding) -> [UInt8] {
        switch ending {
        case .complete: line(#"{"end":"complete"}"#.utf8)
        case .drain: line(#"{"end":"drain"}"#.utf8)
        }
    }

    private static func line(_ bytes: some Collection<UInt8>) -> [UInt8] { Array(bytes) + [UInt8(ascii: "\n")] }
}

/// What a command of mode `ack` says.
package enum AckMessage: Sendable, Equatable {
    /// It speaks this version.
    case hello(Int64)
    /// These items are done, and what was made of them is put: one transaction.
    case acknowledge([ItemID], [JSONText])
    /// This was made of an item; it is put once that is done.
    case emit(ItemID, [JSONText])
    case fail(ItemID, String, RetryAdvice)
    /// These items are handed back, without blame.
    case release([ItemID])
    /// It goes on.
    case progress
    case log(String)

    /// - Throws: ``CommandProtocolError`` when the line is no message.
    package init(_ line: [UInt8]) throws {
        guard let members = JSONText.members(of: line) else {
            throw CommandProtocolError(
                "the line \(excerpt(line)) on standard output is no message of the protocol; what is meant for people goes to standard error"
            )
        }
        var fields = Fields(line, members)
        switch fields.verb {
        case "ack":
            self = .acknowledge(try fields.items("ack"), try fields.list("out"))
        case "emit":
            self = .emit(try fields.item("emit"), try fields.list("out"))
        case "fail":
            let item = try fields.item("fail")
            self = .fail(item, try fields.text("reason") ?? "the command gave no reason", try fields.advice())
        case "release": self = .release(try fields.items("release"))
        case "progress":
            fields.take("progress")
            self = .progress
        case "log": self = .log(try fields.text("log") ?? "")
        case "hello":
            guard let version = fields.take("hello")?.integer else { throw fields.wrong("hello", "a version's number") }
            self = .hello(version)
        default:
            throw CommandProtocolError(
                "the message \(excerpt(line)) says nothing that is known: it has one of \(Fields.verbs.joined(separator: ", "))"
            )
        }
        try fields.finish()
    }
}

/// The members of a message, each of which is taken once.
private struct Fields {
    static let verbs = ["ack", "emit", "fail", "release", "progress", "log", "hello"]

    private let line: [UInt8]
    private var members: [(name: String, value: JSONText)]

    /// What it says, above all.
    let verb: String?

    init(_ line: [UInt8], _ members: [(name: String, value: JSONText)]) {
        self.line = line
        self.members = members
        verb = members.first { Self.verbs.contains($0.name) }?.name
    }

    @discardableResult
    mutating func take(_ name: String) -> JSONText? {
        members.firstIndex { $0.name == name }.map { members.remove(at: $0).value }
    }

    func wrong(_ name: String, _ wanted: String) -> CommandProtocolError {
        CommandProtocolError("the message \(excerpt(line)) has in '\(name)' not \(wanted)")
    }

    /// One item, or several.
    mutating func items(_ name: String) throws -> [ItemID] {
        let value = take(name)
        let values = value?.elements ?? value.map { [$0] } ?? []
        let items = values.compactMap(\.integer).map { ItemID($0) }
        guard items.count == values.count, !items.isEmpty else { throw wrong(name, "the numbers of items") }
        guard Set(items).count == items.count else { throw wrong(name, "each item once") }
        return items
    }

    mutating func item(_ name: String) throws -> ItemID {
        guard let item = take(name)?.integer else { throw wrong(name, "the number of an item") }
        return ItemID(item)
    }

    mutating func list(_ name: String) throws -> [JSONText] {
        guard let value = take(name) else { return [] }
        guard let elements = value.elements else { throw wrong(name, "a list") }
        return elements
    }

    mutating func text(_ name: String) throws -> String? {
        guard let value = take(name) else { return nil }
        guard let text = value.string else { throw wrong(name, "a text") }
        return text
    }

    /// `"dead":true`, `"after":SECONDS`, `"postpone":SECONDS`, or nothing: as the stage's policy says.
    mutating func advice() throws -> RetryAdvice {
        var advice: [RetryAdvice] = []
        if let dead = take("dead") {
            guard ["true", "false"].contains(dead.text) else { throw wrong("dead", "true or false") }
            if dead.text == "true" { advice.append(.never) }
        }
        for (name, make) in [("after", RetryAdvice.after), ("postpone", RetryAdvice.postpone)] {
            guard let value = take(name) else { continue }
            guard let seconds = value.number, (0...1e9).contains(seconds) else {
                throw wrong(name, "a number of seconds")
            }
            advice.append(make(.milliseconds(Int64(seconds * 1000))))
        }
        guard advice.count <= 1 else { throw wrong("fail", "one of dead, after and postpone") }
        return advice.first ?? .backOff
    }

    func finish() throws {
        guard let extra = members.first else { return }
        throw CommandProtocolError(
            "the message \(excerpt(line)) has '\(printable(extra.name))', which does not belong to '\(verb ?? "")'")
    }
}
