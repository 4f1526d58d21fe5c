package import Leat

/// Turns what a command writes into items that are put.
///
/// Without routes a line is an item as it is, for each of the stage's queues; with routes it is an envelope, an object that
/// names its queue and holds the body. An empty line puts nothing.
package struct OutputReader: Sendable {
    let outputs: StageOutputs
    /// The field of a body by which the items of a queue are worked on in order.
    let groupFields: [QueueName: String]
    /// A field that an envelope may have besides its own: the one by which an answer repeats its question.
    var echo: String?

    package init(outputs: StageOutputs, groupFields: [QueueName: String], echo: String? = nil) {
        self.outputs = outputs
        self.groupFields = groupFields
        self.echo = echo
    }

    /// Reads a line.
    ///
    /// - Throws: ``CommandProtocolError`` when it is not what it should be.
    package func read(_ line: [UInt8], into items: inout [Output]) throws {
        guard !line.isEmpty else { return }
        switch outputs {
        case .none: break
        case .all(let queues):
            let payload = try payload(line)
            for queue in queues {
                items.append(Output(payload, to: queue, group: try group(of: line, in: queue)))
            }
        case .route(let queues):
            guard let members = JSONText.members(of: line) else {
                throw CommandProtocolError(
                    "the line \(excerpt(line)) is no envelope: with 'route' each line is a JSON object like {\"queue\": \"\(queues[0])\", \"body\": …}"
                )
            }
            items.append(try item(of: members, line, queues))
        }
    }

    /// Reads an element of a message's `out`: an envelope with routes, otherwise the body.
    func read(_ value: JSONText, into items: inout [Output]) throws {
        if case .route = outputs { return try read(value.bytes, into: &items) }
        try check(value)
        try read(value.payloadBytes, into: &items)
    }

    private func check(_ value: JSONText) throws {
        guard value.isBroken else { return }
        throw CommandProtocolError("the string \(excerpt(value.bytes)) holds half a character (a lone surrogate)")
    }

    private func item(
        of members: [(name: String, value: JSONText)], _ line: [UInt8], _ queues: [QueueName]
    ) throws -> Output {
        var queue = queues.count == 1 ? queues[0] : nil
        var body: JSONText?
        var item = Output(.text(""), to: queues[0])
        var seen: Set<String> = []
        for (name, value) in members {
            guard seen.insert(name).inserted else {
                throw CommandProtocolError("the envelope \(excerpt(line)) has '\(printable(name))' twice")
            }
            switch name {
            case "queue":
                guard let named = value.string, let known = queues.first(where: { $0.rawValue == named }) else {
                    throw CommandProtocolError(
                        "the envelope \(excerpt(line)) names queue \(excerpt(value.bytes)), and the stage routes to \(queues.map(\.rawValue).joined(separator: ", "))"
                    )
                }
                queue = known
            case "body": body = value
            case "key": item.key = try word(value, name, line)
            case "group": item.group = try word(value, name, line)
            case "delay":
                guard let seconds = value.number, (0...1e9).contains(seconds) else {
                    throw CommandProtocolError(
                        "the envelope \(excerpt(line)) has the delay \(excerpt(value.bytes)), which is no number of seconds"
                    )
                }
                item.due = .after(.milliseconds(Int64(seconds * 1000)))
            case "priority":
                guard let priority = value.integer, (0...1_000_000).contains(priority) else {
                    throw CommandProtocolError(
                        "the envelope \(excerpt(line)) has the priority \(excerpt(value.bytes)), which is no whole number from 0 to 1,000,000"
                    )
                }
                item.priority = Int(priority)
            case let name where name == echo: break
            default:
                throw CommandProtocolError(
                    "the envelope \(excerpt(line)) has '\(printable(name))'; it may have queue, body, key, group, delay, priority"
                )
            }
        }
        guard let queue else {
            throw CommandProtocolError(
                "the envelope \(excerpt(line)) names no queue, and the stage routes to \(queues.map(\.rawValue).joined(separator: ", "))"
            )
        }
        guard let body else { throw CommandProtocolError("the envelope \(excerpt(line)) has no body") }
        try check(body)
        item.queue = queue
        item.payload = try payload(body.payloadBytes)
        if item.group == nil { item.group = try group(of: body.payloadBytes, in: queue) }
        return item
    }

    private func payload(_ bytes: [UInt8]) throws -> Payload {
        guard bytes.count <= Payload.limit else {
            throw CommandProtocolError(
                "it wrote an item of \(bytes.count) bytes, and the most is \(Payload.limit); put what is large elsewhere, and a reference to it into the queue"
            )
        }
        return Payload(bytes: bytes)
    }

    private func word(_ value: JSONText, _ name: String, _ line: [UInt8]) throws -> String? {
        if value.isNull { return nil }
        guard let word = value.string ?? value.integer.map({ String($0) }), !word.isEmpty else {
            throw CommandProtocolError(
                "the envelope \(excerpt(line)) has the \(name) \(excerpt(value.bytes)), which is no word and no whole number"
            )
        }
        return word
    }

    private func group(of body: [UInt8], in queue: QueueName) throws -> String? {
        guard let field = groupFields[queue] else { return nil }
        guard let members = JSONText.members(of: body) else {
            throw CommandProtocolError(
                "the item \(excerpt(body)) is no JSON object, and queue '\(queue)' is worked on by its field '\(field)'"
            )
        }
        guard let value = members.last(where: { $0.name == field })?.value else { return nil }
        return try word(value, field, body)
    }
}

/// A command wrote what it should not have written.
package struct CommandProtocolError: Error, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}

/// The beginning of a line, for a message.
func excerpt(_ bytes: [UInt8]) -> String {
    let text = printable(String(decoding: bytes.prefix(80), as: UTF8.self))
    return bytes.count > 80 ? "'\(text)…'" : "'\(text)'"
}
