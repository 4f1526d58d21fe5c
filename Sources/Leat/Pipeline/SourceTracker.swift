#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Turns a producer's elements into outputs, and knows the cursor that follows the last one.
package protocol SourceTracker: Sendable {
    associatedtype Element: Sendable
    /// Appends what is made of an element, unless an earlier run has put it.
    mutating func take(_ element: Element, into outputs: inout [Output]) throws
    /// The cursor behind the last output.
    func cursor() throws -> String?
    /// The sequence is at its end; what is left may be appended.
    mutating func finish(into outputs: inout [Output]) throws
}

/// Elements that bring their cursors.
struct CursorTracker<Value: Codable & Sendable, Cursor: Codable & Sendable>: SourceTracker {
    /// Where the shard goes on.
    let start: Cursor?
    private let queue: QueueReference<Value>
    private var last: Cursor?

    init(_ queue: QueueReference<Value>, _ hold: ShardHold) throws {
        self.queue = queue
        guard let text = hold.cursor else {
            guard hold.emitted == 0 else { throw cannotResume(hold, "it has saved no cursor") }
            start = nil
            return
        }
        do {
            start = try JSONDecoder().decode(Cursor.self, from: Data(text.utf8))
        } catch {
            throw LeatError(
                .cannotResume,
                "Producer '\(hold.id)' can't go on: its saved cursor '\(printable(text))' is not a \(Cursor.self); keep the cursor's type, or start with a new file.",
                cause: error)
        }
    }

    mutating func take(_ element: Sourced<Value, Cursor>, into outputs: inout [Output]) throws {
        outputs.append(try queue.output(element.value, key: element.key))
        last = element.cursor
    }

    /// Encoded once a chunk, not once an element.
    func cursor() throws -> String? {
        guard let last else { return nil }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(last), as: UTF8.self)
    }

    mutating func finish(into outputs: inout [Output]) {}
}

/// How far a sequence has come that is the same in every run, as it is saved: `{"count":1000,"hash":"85944171f73967e8"}`.
private struct RepeatingPosition: Codable {
    var count: Int64
    var hash: String
}

/// Elements that are the same in every run: their count is the cursor, their hash the proof.
struct RepeatingTracker<Value: Codable & Sendable>: SourceTracker {
    private let queue: QueueReference<Value>
    private let id: ShardID
    private let saved: RepeatingPosition?
    private var count: Int64 = 0
    private var hash = ElementHash()

    init(_ queue: QueueReference<Value>, _ hold: ShardHold) throws {
        self.queue = queue
        id = hold.id
        guard let text = hold.cursor else {
            guard hold.emitted == 0 else { throw cannotResume(hold, "it has saved no cursor") }
            saved = nil
            return
        }
        do {
            saved = try JSONDecoder().decode(RepeatingPosition.self, from: Data(text.utf8))
        } catch {
            throw LeatError(
                .cannotResume,
                "Producer '\(hold.id)' can't go on: its saved cursor '\(printable(text))' is no count and hash; was it another kind of producer? Start with a new file.",
                cause: error)
        }
    }

    mutating func take(_ element: Value, into outputs: inout [Output]) throws {
        let payload = try queue.coder.encode(element)
        count += 1
        switch payload {
        case .text(var text): text.withUTF8 { hash.add(UnsafeRawBufferPointer($0)) }
        case .blob(let bytes): bytes.withUnsafeBytes { hash.add($0) }
        }
        guard let saved, count <= saved.count else {
            outputs.append(queue.output(payload, of: element))
            return
        }
        if count == saved.count, hash.text != saved.hash {
            throw LeatError(
                .cannotResume,
                "Producer '\(id)' can't go on: the first \(saved.count) values of its sequence are not those that it put before; give the same sequence again, or start with a new file."
            )
        }
    }

    func cursor() throws -> String? {
        // Nothing was taken beyond what is saved.
        if let saved, count <= saved.count { return nil }
        return "{\"count\":\(count),\"hash\":\"\(hash.text)\"}"
    }

    mutating func finish(into outputs: inout [Output]) throws {
        guard let saved, count < saved.count else { return }
        throw LeatError(
            .cannotResume,
            "Producer '\(id)' can't go on: its sequence has \(count) values now and had put \(saved.count) before; give the same sequence again, or start with a new file."
        )
    }
}

/// Elements without a cursor: from the beginning or, unless they have keys, not at all.
struct LooseTracker<Value: Codable & Sendable>: SourceTracker {
    private let queue: QueueReference<Value>
    private let key: (@Sendable (Value) -> String)?

    init(_ queue: QueueReference<Value>, _ hold: ShardHold, key: @escaping @Sendable (Value) -> String) {
        self.queue = queue
        self.key = key
    }

    init(_ queue: QueueReference<Value>, _ hold: ShardHold) throws {
        self.queue = queue
        key = nil
        guard hold.emitted == 0 else { throw cannotResume(hold, "its values have neither cursors nor keys") }
    }

    mutating func take(_ element: Value, into outputs: inout [Output]) throws {
        outputs.append(try queue.output(element, key: key?(element)))
    }

    func cursor() -> String? { nil }
    mutating func finish(into outputs: inout [Output]) {}
}

private func cannotResume(_ hold: ShardHold, _ why: String) -> LeatError {
    LeatError(
        .cannotResume,
        "Producer '\(hold.id)' has put \(hold.emitted) items and can't go on: \(why). Give each value a cursor (Sourced) or a key (key:), or a sequence that is the same each time (repeating:), and start with a new file."
    )
}
