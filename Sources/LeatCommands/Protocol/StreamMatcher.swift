package import Leat

/// Which line of a `stream` command answers which item: the first one that has no answer yet.
///
/// With an echo each answer must repeat a field of its question, so that a command that answers nothing, or twice, is
/// found at the first answer after it.
package struct StreamMatcher: Sendable {
    private struct Question: Sendable {
        let id: ItemID
        let echo: [UInt8]
    }

    private let proof: StreamProof
    private var questions: [Question] = []
    private var first = 0
    /// How many have been answered.
    package private(set) var answered = 0

    package init(_ proof: StreamProof) { self.proof = proof }

    /// The items without an answer, in the order in which they were asked.
    package var unanswered: [ItemID] { questions[first...].map(\.id) }
    package var inFlight: Int { questions.count - first }

    /// The line that asks; the matcher expects its answer from then on.
    ///
    /// - Throws: ``CommandProtocolError`` for an item that is no question here: it is to blame, and nobody else.
    package mutating func ask(_ item: Item) throws -> [UInt8] {
        let bytes = item.payload.bytes
        guard !bytes.contains(UInt8(ascii: "\n")) else { throw CommandProtocolError(notALine) }
        var echo: [UInt8] = []
        if case .echo(let field) = proof {
            guard let value = Self.field(field, of: bytes) else {
                throw CommandProtocolError(
                    "the item has no field '\(printable(field))', which the command is to repeat; is it a JSON object?")
            }
            echo = value
        }
        questions.append(Question(id: item.id, echo: echo))
        return bytes + [UInt8(ascii: "\n")]
    }

    /// The item that a line answers.
    ///
    /// - Throws: ``CommandProtocolError`` when it answers none, or another than the one that is next.
    package mutating func answer(_ line: [UInt8]) throws -> ItemID {
        guard first < questions.count else {
            throw CommandProtocolError(
                "the line \(excerpt(line)) answers nothing: the command writes more lines than it is given")
        }
        let question = questions[first]
        if case .echo(let field) = proof {
            guard let value = Self.field(field, of: line), value == question.echo else {
                throw CommandProtocolError(
                    "the line \(excerpt(line)) does not repeat '\(printable(field))' of its question, which is \(excerpt(question.echo)): the command does not answer each line with one line"
                )
            }
        }
        first += 1
        answered += 1
        // Seldom, so that each answer costs the same.
        if first >= 1024, first * 2 > questions.count {
            questions.removeFirst(first)
            first = 0
        }
        return question.id
    }

    /// Whether two lines answer the same question, as far as that can be told.
    func isSame(_ line: [UInt8], _ other: [UInt8]) -> Bool {
        guard case .echo(let field) = proof else { return false }
        let value = Self.field(field, of: line)
        return value != nil && value == Self.field(field, of: other)
    }

    /// A string by its value, anything else as it is written.
    private static func field(_ field: String, of line: [UInt8]) -> [UInt8]? {
        JSONText.members(of: line)?.last { $0.name == field }?.value.payloadBytes
    }
}

let notALine = "the item holds the end of a line, so it can't be given as one; mode item or ack can take it"
