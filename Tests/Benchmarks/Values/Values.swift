package import Leat

/// About 200 bytes as JSON.
package struct Record: Codable, Sendable {
    var id: Int
    var name: String
    var places: [String]
    var amount: Double
    var note: String

    package init(_ number: Int) {
        id = number
        name = "item number \(number)"
        places = ["EWR", "JFK", "LGA"]
        amount = Double(number) / 8
        note = "a note that is long enough to bring the whole record to about two hundred bytes of text, no more"
    }
}

/// The same, which writes and reads its payload itself: fields between tabs.
package struct OwnRecord: PayloadConvertible, Sendable {
    var record: Record

    package init(_ record: Record) { self.record = record }

    package var payload: Payload {
        .text(
            "\(record.id)\t\(record.name)\t\(record.places.joined(separator: ","))\t\(record.amount)\t\(record.note)")
    }

    package init(payload: Payload) throws {
        guard case .text(let text) = payload else { throw PermanentError("The payload is no text.") }
        let fields = text.utf8.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
        guard fields.count == 5, let id = Int(Substring(fields[0])), let amount = Double(Substring(fields[3])) else {
            throw PermanentError("The payload is no record.")
        }
        record = Record(id)
        record.name = String(Substring(fields[1]))
        record.places = Substring(fields[2]).split(separator: ",").map(String.init)
        record.amount = amount
        record.note = String(Substring(fields[4]))
    }
}
