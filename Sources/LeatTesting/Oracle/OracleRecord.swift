public import Leat

/// One thing that a worker process was about to do, or has done, as it told the log.
///
/// What is tried is written before the store is asked, what has succeeded after it has answered. A process that is
/// killed in between leaves the first without the second: the oracle then takes either for right, but no mixture.
public struct OracleRecord: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// About to put a value: an output, if it has a token and the item that it was made from.
        case tryPut
        /// The put was committed.
        case okPut
        /// An item was claimed; the token is its lease's.
        case claim
        /// About to acknowledge an item as done.
        case tryAck
        /// The acknowledgement was committed.
        case okAck
        /// The step came too late and was refused as a whole.
        case refused
        /// About to tell that an item is to blame.
        case fail
        /// The queue was found to be closed.
        case closed
        /// The queue takes items again, by an order.
        case reopened
    }

    public var kind: Kind
    /// The queue that is put into, claimed from, closed or reopened.
    public var queue: QueueName
    /// The lease, which is the fencing token; `nil` where there is none.
    public var token: LeaseID?
    /// The item that is claimed or acknowledged; of a put, the input that it was made from.
    public var item: ItemID?
    /// What is put or claimed; `nil` where nothing is.
    public var value: OracleValue?
    /// Of a put: unique within the queue, where it was given.
    public var key: OracleValue?
    public var pid: Int32

    public init(
        _ kind: Kind, _ queue: QueueName, token: LeaseID? = nil, item: ItemID? = nil, value: OracleValue? = nil,
        key: OracleValue? = nil, pid: Int32 = 0
    ) {
        self.kind = kind
        self.queue = queue
        self.token = token
        self.item = item
        self.value = value
        self.key = key
        self.pid = pid
    }
}

/// A payload, or a key, as the log knows it: a hash of its bytes.
public struct OracleValue: Sendable, Hashable, CustomStringConvertible {
    /// 16 hexadecimal digits.
    public let description: String

    public init(_ payload: Payload) { self.init(payload.bytes) }
    public init(key: String) { self.init(Array(key.utf8)) }

    private init(_ bytes: [UInt8]) {
        var hash = FNV1a()
        hash.add(bytes)
        description = hash.text
    }

    init(digits: some StringProtocol) { description = String(digits) }
}

// Text of a fixed size: it can be read with `less`, a page of the file holds a whole number of records, and so a write
// that a kill cuts off at a page's end leaves whole ones.
extension OracleRecord {
    /// Bytes a record; a power of two.
    static let size = 256

    var line: [UInt8] {
        let fields = [
            kind.rawValue, queue.rawValue, token?.description ?? "-", item?.description ?? "-",
            value?.description ?? "-", key?.description ?? "-", "\(pid)",
        ]
        var bytes = Array(fields.joined(separator: " ").utf8)
        bytes += Array(repeating: UInt8(ascii: " "), count: Self.size - 1 - bytes.count)
        return bytes + [UInt8(ascii: "\n")]
    }

    /// - Throws: ``LeatError`` for what no log has written.
    init(line: some Sequence<UInt8>) throws {
        let text = String(decoding: Array(line), as: UTF8.self)
        let fields = text.split(whereSeparator: { $0 == " " || $0 == "\n" })
        guard fields.count == 7, let kind = Kind(rawValue: String(fields[0])),
            let queue = QueueName(rawValue: String(fields[1])), let pid = Int32(fields[6])
        else {
            throw LeatError(.refused, "'\(printable(String(text.prefix(80))))' is no record of an oracle's log.")
        }
        self.init(
            kind, queue, token: Int64(fields[2]).map(LeaseID.init), item: Int64(fields[3]).map(ItemID.init),
            value: fields[4] == "-" ? nil : OracleValue(digits: fields[4]),
            key: fields[5] == "-" ? nil : OracleValue(digits: fields[5]), pid: pid)
    }
}
