internal import Leat

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Lines that are the same in every run: counted, compared, and left out when they were put before.
struct LineTracker: SourceTracker {
    private let reader: OutputReader
    private let id: ShardID
    private var ledger: LineLedger

    init(_ reader: OutputReader, _ hold: ShardHold) throws {
        self.reader = reader
        id = hold.id
        guard let text = hold.cursor else {
            guard hold.emitted == 0 else { throw cannotResume(hold, "it has put items and saved no cursor") }
            ledger = LineLedger(after: nil)
            return
        }
        guard let saved = try? JSONDecoder().decode(LineCursor.self, from: Data(text.utf8)) else {
            throw cannotResume(
                hold,
                "its saved cursor \(excerpt(Array(text.utf8))) is no count of lines, so the file had another 'cursor' when it began"
            )
        }
        ledger = LineLedger(after: saved)
    }

    mutating func take(_ line: [UInt8], into outputs: inout [Output]) throws {
        do {
            // Before it is counted: a line that can't be put must come again.
            if ledger.isAtEnd { try reader.read(line, into: &outputs) }
            _ = try ledger.add(line)
        } catch let changed as LineLedger.Changed {
            throw LeatError(
                .cannotResume,
                "Source '\(id)' can't go on: \(changed.place) of what its command writes was something else when it was put. Give the command the same input again, or begin a new run in a new file (--db)."
            )
        }
    }

    func cursor() throws -> String? {
        guard let cursor = ledger.cursor else { return nil }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return String(decoding: try encoder.encode(cursor), as: UTF8.self)
    }

    mutating func finish(into outputs: inout [Output]) throws {
        guard ledger.missing > 0 else { return }
        throw LeatError(
            .cannotResume,
            "Source '\(id)' can't go on: its command wrote \(ledger.count) lines, and \(ledger.count + ledger.missing) had been put before. Give it the same input again, or begin a new run in a new file (--db)."
        )
    }
}

extension LineLedger.Changed {
    var place: String { first == last ? "line \(first)" : "a line from \(first) to \(last)" }
}

/// Messages with items and the cursor that follows them.
struct MessageTracker: SourceTracker {
    private let reader: OutputReader
    private var last: String?
    /// Of messages without a cursor: they belong to the next one.
    private var held: [Output] = []

    init(_ reader: OutputReader, _ hold: ShardHold) throws {
        self.reader = reader
        guard hold.cursor != nil || hold.emitted == 0 else {
            throw cannotResume(hold, "it has put items and saved no cursor")
        }
    }

    /// What a command is told in `LEAT_CURSOR`: a text as it is, anything else as JSON.
    static func told(_ cursor: String) -> String { JSONText(Array(cursor.utf8))?.string ?? cursor }

    mutating func take(_ line: [UInt8], into outputs: inout [Output]) throws {
        if line.isEmpty { return }
        guard let members = JSONText.members(of: line) else {
            throw CommandProtocolError(
                "the line \(excerpt(line)) is no message: with 'cursor: own' each line is a JSON object like {\"out\": […], \"cursor\": …}"
            )
        }
        var cursor: JSONText?
        for (name, value) in members {
            switch name {
            case "out":
                guard let elements = value.elements else {
                    throw CommandProtocolError("the message \(excerpt(line)) has in 'out' not a list")
                }
                for element in elements { try reader.read(element, into: &held) }
            case "cursor": cursor = value
            default:
                throw CommandProtocolError(
                    "the message \(excerpt(line)) has '\(printable(name))'; it may have out and cursor")
            }
        }
        guard let cursor else { return }
        last = cursor.text
        outputs += held
        held = []
    }

    func cursor() -> String? { last }

    mutating func finish(into outputs: inout [Output]) {
        outputs += held
        held = []
    }
}

/// Lines without a cursor: from the beginning each time, each item under a key; or once.
struct AnewTracker: SourceTracker {
    private let reader: OutputReader
    private let needsKeys: Bool

    init(_ reader: OutputReader, _ hold: ShardHold, needsKeys: Bool) throws {
        self.reader = reader
        self.needsKeys = needsKeys
        guard needsKeys || hold.emitted == 0 else {
            throw cannotResume(
                hold, "it has put \(hold.emitted) items, and with 'cursor: none' it can't go on after that")
        }
    }

    mutating func take(_ line: [UInt8], into outputs: inout [Output]) throws {
        let before = outputs.count
        try reader.read(line, into: &outputs)
        guard needsKeys, outputs[before...].contains(where: { $0.key == nil }) else { return }
        throw CommandProtocolError("the envelope \(excerpt(line)) has no key, which 'cursor: key' needs of each item")
    }

    func cursor() -> String? { nil }
    mutating func finish(into outputs: inout [Output]) {}
}

private func cannotResume(_ hold: ShardHold, _ why: String) -> LeatError {
    LeatError(
        .cannotResume,
        "Source '\(hold.id)' can't go on: \(why). Begin a new run in a new file (--db), with a 'cursor' that lets it resume: line, own or key."
    )
}
