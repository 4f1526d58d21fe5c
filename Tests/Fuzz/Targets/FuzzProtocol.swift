internal import Foundation
internal import Leat
internal import LeatCommands

func fuzzProtocol(_ bytes: [UInt8]) {
    let lines = checkLines(bytes)
    checkPayload(bytes)
    for line in lines.prefix(64) {
        checkJSON(line)
        checkMessage(line)
        checkEnvelope(line)
    }
    checkAnswers(lines)
}

/// However the bytes are cut into pieces, the lines are the same.
private func checkLines(_ bytes: [UInt8]) -> [[UInt8]] {
    func split(_ piece: Int, limit: Int) -> (lines: [[UInt8]], isTooLong: Bool) {
        var splitter = LineSplitter(limit: limit)
        var lines: [[UInt8]] = []
        do {
            for start in stride(from: 0, to: bytes.count, by: piece) {
                lines += try splitter.add(bytes[start..<min(bytes.count, start + piece)])
            }
            return (lines + (splitter.finish().map { [$0] } ?? []), false)
        } catch let error as LineSplitter.TooLong {
            return (lines + error.before, true)
        } catch {
            fatalError("\(error)")
        }
    }
    for limit in [16, 1 << 20] {
        let whole = split(max(bytes.count, 1), limit: limit)
        for piece in [1, 3, 7] {
            let pieces = split(piece, limit: limit)
            require(
                pieces.lines == whole.lines && pieces.isTooLong == whole.isTooLong, "lines depend on how they are cut")
        }
        require(whole.lines.allSatisfy { $0.count <= limit }, "a line is longer than it may be")
    }
    let whole = split(max(bytes.count, 1), limit: 1 << 20).lines
    var joined = Array(whole.joined(separator: [0x0A]))
    if bytes.last == 0x0A { joined.append(0x0A) }
    require(joined == bytes, "lines are not what came")
    return whole
}

/// A payload is the bytes that it was made of.
private func checkPayload(_ bytes: [UInt8]) { require(Payload(bytes: bytes).bytes == bytes, "a payload has changed") }

/// What is taken for JSON others read as JSON, and its parts are JSON.
private func checkJSON(_ line: [UInt8]) {
    let text = String(decoding: line, as: UTF8.self)
    require(JSONText(JSONText.quoted(text))?.string == text, "a text is not the same as JSON")
    guard let value = JSONText(line) else {
        require(JSONText.members(of: line) == nil, "members of what is no JSON")
        require(JSONText.elements(of: line) == nil, "elements of what is no JSON")
        return
    }
    if let members = value.members {
        for member in members { require(JSONText(member.value.bytes) == member.value, "a member is no JSON") }
    }
    if let elements = value.elements {
        for element in elements { require(JSONText(element.bytes) == element, "an element is no JSON") }
    }
    require(value.isBroken || value.string != nil || value.bytes.first != 0x22, "a string has no value")
}

private func checkMessage(_ line: [UInt8]) {
    do {
        switch try AckMessage(line) {
        case .acknowledge(let items, _), .release(let items):
            require(!items.isEmpty && Set(items).count == items.count, "an item is there twice, or none is")
        case .hello, .emit, .fail, .progress, .log: break
        }
    } catch let error as CommandProtocolError {
        require(isSafeToShow(error.description), "an error shows control characters")
    } catch {
        fatalError("another error: \(error)")
    }
}

private func checkEnvelope(_ line: [UInt8]) {
    let readers = [
        OutputReader(outputs: .none, groupFields: [:]),
        OutputReader(outputs: .all(["a", "b"]), groupFields: ["b": "g"]),
        OutputReader(outputs: .route(["a", "b"]), groupFields: ["a": "g"], echo: "id"),
        OutputReader(outputs: .route(["a"]), groupFields: [:]),
    ]
    for reader in readers {
        var items: [Output] = []
        do {
            try reader.read(line, into: &items)
            for item in items {
                require(["a", "b"].contains(item.queue), "an item goes where none may go")
                require(item.key != "" && item.group != "", "an empty key or group")
                require((0...1_000_000).contains(item.priority), "a priority that is none")
            }
        } catch let error as CommandProtocolError {
            require(isSafeToShow(error.description), "an error shows control characters")
        } catch {
            fatalError("another error: \(error)")
        }
    }
}

/// The lines as questions and as answers, in turn.
private func checkAnswers(_ lines: [[UInt8]]) {
    for proof in [StreamProof.trust, .echo("id")] {
        var matcher = StreamMatcher(proof)
        var asked = 0
        for (index, line) in lines.enumerated() {
            do {
                if index.isMultiple(of: 2) {
                    _ = try matcher.ask(
                        Item(
                            id: ItemID(Int64(index + 1)), payload: Payload(bytes: line), claims: 1, attempts: 0,
                            generation: 0))
                    asked += 1
                } else {
                    let next = matcher.unanswered.first
                    require(try matcher.answer(line) == next, "another question was answered than the next one")
                }
            } catch let error as CommandProtocolError {
                require(isSafeToShow(error.description), "an error shows control characters")
            } catch {
                fatalError("another error: \(error)")
            }
            require(matcher.answered + matcher.inFlight == asked, "questions and answers do not balance")
        }
    }
}
