internal import ArgumentParser
internal import Leat

/// `leat peek DB QUEUE`: a queue's items, without taking any.
struct PeekCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peek", abstract: "Lists a queue's items, in order, without taking any.")

    @OptionGroup var database: DatabaseArgument
    @Argument(help: "The queue's name.")
    var queue: String
    @Option(
        help: "Only those in this state: ready, waiting, leased, done, dead, skipped or superseded.",
        transform: itemState)
    var state: ItemState?
    @Option(help: "Only those after this one: the last number of the page before.")
    var after: Int64?
    @OptionGroup var limits: LimitOptions
    @OptionGroup var output: FormatOptions

    func run() async throws {
        let (database, plan) = try await OpenStore.existing(database.db)
        let queue = try queueName(queue, in: plan)
        let items = try await limits.page { try await page(of: queue, database.store, upTo: $0) }
        switch output.format {
        case .json: for item in items { try StandardOutput.write(try jsonLine(ItemLine(item))) }
        case .table: try StandardOutput.write(itemTable(items))
        }
    }

    /// Items of the wanted state may lie far apart: the queue is read a bounded page at a time.
    private func page(of queue: QueueName, _ store: any Store, upTo limit: Int) async throws -> [ItemRecord] {
        var found: [ItemRecord] = []
        var last = after.map { ItemID($0) }
        while found.count < limit {
            let items = try await store.items(
                in: queue, after: last, limit: state == nil ? limit - found.count : 10_000)
            guard let end = items.last?.id else { break }
            found += items.lazy.filter { state == nil || $0.state == state }.prefix(limit - found.count)
            last = end
        }
        return found
    }
}

/// An item as JSON.
struct ItemLine: Encodable {
    let item: ItemID
    let state: ItemState
    let origin: StageName?
    let parent: ItemID?
    let key: String?
    let group: String?
    let priority: Int
    /// Milliseconds since 1970.
    let dueAt: Int64?
    let attempts: Int
    let claims: Int?
    let reason: String?
    let payload: String?
    let payloadBase64: String?

    private enum CodingKeys: String, CodingKey {
        case item, state, origin, parent, key, group, priority, attempts, claims, reason, payload
        case dueAt = "due_at"
        case payloadBase64 = "payload_base64"
    }

    init(_ record: ItemRecord) {
        item = record.id
        state = record.state
        origin = record.origin
        parent = record.parent
        key = record.key
        group = record.group
        dueAt = record.dueAt
        priority = record.priority
        attempts = record.attempts
        claims = record.claims
        reason = record.reason
        (payload, payloadBase64) = record.payload.jsonFields
    }
}

func itemTable(_ items: [ItemRecord]) -> String {
    guard !items.isEmpty else { return "No items." }
    var table = TextTable(["ITEM", "STATE", "DUE", "KEY", "GROUP", "ORIGIN", "PARENT", "ATTEMPTS", "REASON", "PAYLOAD"])
    for item in items {
        table.add([
            "\(item.id)", item.state.rawValue, item.dueAt.map { WallTime($0).text } ?? "-", item.key ?? "-",
            item.group ?? "-", item.origin?.rawValue ?? "-", item.parent.map { "\($0)" } ?? "-", item.attempts,
            item.reason ?? "", item.payload.preview,
        ])
    }
    return table.text
}

@Sendable private func itemState(_ word: String) throws -> ItemState {
    guard let state = ItemState(rawValue: word) else {
        let words = ItemState.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("there is no state '\(printable(word))'; the states are \(words)")
    }
    return state
}
