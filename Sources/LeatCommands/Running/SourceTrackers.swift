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
            throw ChangedLines(
                source: id, place: changed, lines: ledger.unproved, putBefore: ledger.putBefore)
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

/// Lines that were put before come differently now.
struct ChangedLines: Error {
    let source: ShardID
    let place: LineLedger.Changed
    /// Those among which the change is.
    let lines: [[UInt8]]
    /// How many items were put before them.
    let putBefore: Int64

    /// The refusal, with the line that changed, where the items are still there that the lines became.
    ///
    /// - Parameter queue: one that each line was put into, by this source alone.
    func refusal(_ run: SourceRun, _ queue: QueueName?) async throws -> LeatError {
        var what = place.first == place.last ? "line \(place.first)" : "a line from \(place.first) to \(place.last)"
        if let queue, let (number, before) = try await find(run, queue), let now = lines[safe: number] {
            what = "line \(place.first + Int64(number)) was \(excerpt(before)) and is \(excerpt(now))"
        } else {
            what += " of what its command writes was something else when it was put"
        }
        return LeatError(
            .cannotResume,
            "Source '\(source)' can't go on: \(what). Give the command the same input again, or begin a new run in a new file (--db)."
        )
    }

    /// The first of the lines that is not the item that was made of it.
    private func find(_ run: SourceRun, _ queue: QueueName) async throws -> (Int, [UInt8])? {
        var last: ItemID?
        var skipped: Int64 = 0
        var number = 0
        while true {
            let page = try await run.items(queue, last, 1000)
            guard let end = page.last else { return nil }
            // Where some were pruned, or others put, the counts do not tell which line was which.
            guard page.allSatisfy({ $0.origin == run.hold.id.stage }) else { return nil }
            guard page[0].id.rawValue == (last?.rawValue ?? 0) + 1 else { return nil }
            last = end.id
            for record in page {
                if skipped < putBefore {
                    skipped += 1
                    continue
                }
                while lines[safe: number]?.isEmpty == true { number += 1 }
                guard let line = lines[safe: number] else { return nil }
                if record.payload.bytes != line { return (number, record.payload.bytes) }
                number += 1
            }
        }
    }
}

extension Array {
    fileprivate subscript(safe index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}

/// Messages with items and the cursor that follows them.
struct MessageTracker: SourceTracker {
    private let reader: OutputReader
    private var last: String?
    /// Of messages without a cursor: they belong to the next one.
    private var held: [Output] = []
    private var heldBytes = 0
    /// How much may be held.
    private static let limit = 64 << 20

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
        var seen: Set<String> = []
        for (name, value) in members {
            guard seen.insert(name).inserted else {
                throw CommandProtocolError("the message \(excerpt(line)) has '\(printable(name))' twice")
            }
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
        guard let cursor else {
            heldBytes += line.count
            guard heldBytes <= Self.limit else {
                throw CommandProtocolError(
                    "it wrote more than \(Self.limit >> 20) MiB without a cursor, and what has none can't be put")
            }
            return
        }
        last = cursor.text
        outputs += held
        (held, heldBytes) = ([], 0)
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
