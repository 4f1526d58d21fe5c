internal import Leat

/// The records, by what they are asked for.
struct OracleLedger {
    struct ItemKey: Hashable {
        let queue: QueueName
        let item: ItemID
    }

    struct Entry: Hashable {
        let queue: QueueName
        let value: OracleValue
    }

    /// One try at acknowledging an item: what it would have put.
    struct Attempt {
        let token: LeaseID
        var outputs: [Entry: Int] = [:]
    }

    /// Values without a key by how often; each key counts once.
    struct Tally {
        var plain: [Entry: Int] = [:]
        var keyed: [Entry: Set<OracleValue>] = [:]

        func count(_ entry: Entry) -> Int { plain[entry, default: 0] + (keyed[entry]?.count ?? 0) }
        var entries: Set<Entry> { Set(plain.keys).union(keyed.keys) }

        mutating func add(_ entry: Entry, key: OracleValue?) {
            if let key { keyed[entry, default: []].insert(key) } else { plain[entry, default: 0] += 1 }
        }
    }

    var tried = Tally()
    var put = Tally()
    /// What was tried with no input that it came from.
    var triedFreely = Tally()
    var attempts: [ItemKey: [Attempt]] = [:]
    var acknowledged: [ItemKey: [LeaseID]] = [:]
    var claims: [ItemKey: Set<LeaseID>] = [:]
    var values: [ItemKey: OracleValue] = [:]
    var blamed: [ItemKey: Int] = [:]
    /// Acknowledgements under a token that was refused.
    var late: [OracleFinding] = []
    var entered: [OracleFinding] = []

    init(_ records: [OracleRecord]) {
        var inputs: [LeaseID: QueueName] = [:]
        var refused: Set<LeaseID> = []
        var closed: Set<QueueName> = []
        // Tries that were begun when the queue was closed already, by process: an answer belongs to the last of them.
        var begunClosed: [Int32: Set<Entry>] = [:]
        for record in records {
            let item = record.item.map { ItemKey(queue: record.queue, item: $0) }
            switch (record.kind, item) {
            case (.claim, let item?):
                if let token = record.token {
                    claims[item, default: []].insert(token)
                    inputs[token] = record.queue
                }
                values[item] = record.value
            case (.tryAck, let item?):
                if let token = record.token {
                    inputs[token] = record.queue
                    attempts[item, default: []].append(Attempt(token: token))
                }
            case (.okAck, let item?):
                guard let token = record.token else { continue }
                acknowledged[item, default: []].append(token)
                if refused.contains(token) {
                    late.append(
                        OracleFinding(
                            .lateAcknowledgement,
                            "item \(item.item) of '\(item.queue)' under token \(token), which had been refused"))
                }
            case (.fail, let item?): blamed[item, default: 0] += 1
            case (.refused, _): if let token = record.token { refused.insert(token) }
            case (.closed, _): closed.insert(record.queue)
            case (.reopened, _): closed.remove(record.queue)
            case (.tryPut, _):
                guard let value = record.value else { continue }
                let entry = Entry(queue: record.queue, value: value)
                tried.add(entry, key: record.key)
                if closed.contains(record.queue) {
                    begunClosed[record.pid, default: []].insert(entry)
                } else {
                    begunClosed[record.pid]?.remove(entry)
                }
                guard let token = record.token, let input = inputs[token], let parent = record.item else {
                    triedFreely.add(entry, key: record.key)
                    continue
                }
                let key = ItemKey(queue: input, item: parent)
                guard record.key == nil, let last = attempts[key]?.lastIndex(where: { $0.token == token }) else {
                    continue
                }
                attempts[key]?[last].outputs[entry, default: 0] += 1
            case (.okPut, _):
                guard let value = record.value else { continue }
                let entry = Entry(queue: record.queue, value: value)
                put.add(entry, key: record.key)
                if begunClosed[record.pid]?.remove(entry) != nil {
                    entered.append(OracleFinding(.enteredClosed, "value \(value) entered '\(record.queue)'"))
                }
            case (.claim, nil), (.tryAck, nil), (.okAck, nil), (.fail, nil): continue
            }
        }
    }
}
