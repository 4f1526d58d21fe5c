internal import GRDB
internal import Leat
public import LeatSQLite

/// What is wrong with a database after a fault, by what the witness was told.
public struct Inquest: Sendable, Hashable {
    /// Acknowledged, and not there.
    public var lost: [String] = []
    /// There twice, or without anybody having put it.
    public var unexpected: [String] = []
    /// Half a transaction, or facts that contradict each other.
    public var corrupt: [String] = []

    public var isGood: Bool { lost.isEmpty && unexpected.isEmpty && corrupt.isEmpty }

    /// Looks at a database.
    ///
    /// - Parameter finished: the numbers that must all have come through; `nil` while it may be half done.
    public static func of(
        _ store: SQLiteStore, told: Set<Testimony>, finished: ClosedRange<Int>? = nil
    ) async throws -> Inquest {
        let facts = try await store.reading { try Facts($0) }
        var inquest = Inquest()
        inquest.corrupt += facts.damage
        inquest.corrupt += try await store.verify().map { "\($0)" }

        let raw = Dictionary(grouping: facts.raw, by: \.payload)
        for (payload, items) in raw {
            if items.count > 1 { inquest.unexpected.append("\(payload) was put \(items.count) times") }
            if !told.contains(.tries(Int(payload) ?? -1)) { inquest.unexpected.append("\(payload) was put by nobody") }
        }
        let states = ["change": facts.raw, "keep": facts.cooked].mapValues { items in
            Dictionary(uniqueKeysWithValues: items.map { ($0.id, $0.state) })
        }
        for testimony in told {
            switch testimony {
            case .tries: break
            case .put(let value):
                if raw["\(value)"] == nil { inquest.lost.append("\(value), whose put was acknowledged") }
            case .settled(let stage, let item):
                let state = states[stage.rawValue]?[item.rawValue]
                if state != "done" {
                    inquest.lost.append("item \(item) of '\(stage)', settled, is \(state ?? "gone")")
                }
            }
        }
        let children = Dictionary(grouping: facts.cooked, by: \.parent)
        for item in facts.raw {
            let outputs = children[item.id] ?? []
            let wanted = item.state == "done" ? ["c\(item.payload)"] : []
            if outputs.map(\.payload) != wanted {
                inquest.corrupt.append("item \(item.id) is \(item.state) and has outputs \(outputs.map(\.payload))")
            }
        }
        let known = Set(facts.raw.map(\.id))
        for item in facts.cooked where !known.contains(item.parent) {
            inquest.unexpected.append("output \(item.payload) of nothing")
        }
        if let finished {
            for value in finished where raw["\(value)"]?.first?.state != "done" {
                inquest.lost.append("\(value), at the end")
            }
            for item in facts.cooked where item.state != "done" { inquest.lost.append("\(item.payload), at the end") }
        }
        return inquest
    }
}

/// Read by bare SQL, not through the store's own ways of looking.
private struct Facts: Sendable {
    struct Item: Sendable {
        let id: Int64
        let payload: String
        let parent: Int64
        let state: String
    }

    var damage: [String]
    var raw: [Item] = []
    var cooked: [Item] = []

    init(_ database: Database) throws {
        damage = try String.fetchAll(database, sql: "PRAGMA integrity_check").filter { $0 != "ok" }
        // A cut may have come before the queues were made.
        guard try database.tableExists("q_raw") else { return }
        func items(_ queue: String) throws -> [Item] {
            try Row.fetchAll(
                database, sql: "SELECT id, payload, coalesce(parent, 0), state FROM items_\(queue) ORDER BY id"
            ).map { Item(id: $0[0], payload: $0[1], parent: $0[2], state: $0[3]) }
        }
        raw = try items("raw")
        cooked = try items("cooked")
    }
}
