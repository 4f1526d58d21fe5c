internal import Leat

/// What must hold of one queue: of what was put into it, and of what became of its items.
struct OracleQueueCheck {
    private let queue: QueueName
    private let check: OracleCheck
    private let ledger: OracleLedger
    private let items: [ItemRecord]
    /// Done items of it may have been removed.
    private let isPruned: Bool

    init(_ queue: QueueName, _ check: OracleCheck, _ ledger: OracleLedger) {
        self.queue = queue
        self.check = check
        self.ledger = ledger
        items = check.view.items[queue] ?? []
        isPruned = Self.isPruned(queue, check.view.plan)
    }

    private static func isPruned(_ queue: QueueName, _ plan: Plan) -> Bool {
        plan.consumer(of: queue)?.policy.keep != .all
    }

    private func key(_ item: ItemID) -> OracleLedger.ItemKey { OracleLedger.ItemKey(queue: queue, item: item) }

    var findings: [OracleFinding] { values + acknowledgements + itemFindings + outputs + effectFindings }

    // MARK: What was put

    /// Values by how often: at least what was committed, at most what was tried.
    private var values: [OracleFinding] {
        var stored: [OracleLedger.Entry: Int] = [:]
        var shown: [OracleLedger.Entry: String] = [:]
        for item in items {
            let entry = OracleLedger.Entry(queue: queue, value: OracleValue(item.payload))
            stored[entry, default: 0] += 1
            shown[entry] = item.payload.preview
        }
        // What was acknowledged and then removed is not lost.
        var vanished: [OracleLedger.Entry: Int] = [:]
        if isPruned {
            let present = Set(items.map(\.id))
            for (key, value) in ledger.values where key.queue == queue && ledger.attempts[key] != nil {
                if !present.contains(key.item) {
                    vanished[OracleLedger.Entry(queue: queue, value: value), default: 0] += 1
                }
            }
        }
        let limits = self.limits
        var findings: [OracleFinding] = []
        for entry in ledger.put.entries.union(stored.keys) where entry.queue == queue {
            let found = stored[entry, default: 0]
            let least = ledger.put.count(entry)
            let value = shown[entry].map { "'\($0)'" } ?? "\(entry.value)"
            if found + vanished[entry, default: 0] < least {
                findings.append(
                    OracleFinding(.lost, "value \(value) stands \(found) times in '\(queue)', put \(least) times"))
            }
            if ledger.tried.count(entry) == 0 {
                findings.append(OracleFinding(.unexpected, "value \(value) in '\(queue)', which nobody tried to put"))
            } else if found > limits[entry, default: 0] || (found > 1 && check.distinct.contains(queue)) {
                findings.append(OracleFinding(.duplicated, "value \(value) stands \(found) times in '\(queue)'"))
            }
        }
        return findings
    }

    /// How often a value may stand there: as one attempt of each input gives it, and as it was put freely.
    private var limits: [OracleLedger.Entry: Int] {
        var limits: [OracleLedger.Entry: Int] = [:]
        for attempts in ledger.attempts.values {
            var most: [OracleLedger.Entry: Int] = [:]
            for attempt in attempts {
                for (entry, count) in attempt.outputs where entry.queue == queue {
                    most[entry] = max(most[entry, default: 0], count)
                }
            }
            limits.merge(most) { $0 + $1 }
        }
        for entry in ledger.triedFreely.entries where entry.queue == queue {
            limits[entry, default: 0] += ledger.triedFreely.count(entry)
        }
        for (entry, keys) in ledger.tried.keyed where entry.queue == queue {
            limits[entry] = max(limits[entry, default: 0], keys.count)
        }
        return limits
    }

    // MARK: What became of it

    private var acknowledgements: [OracleFinding] {
        let states = Dictionary(uniqueKeysWithValues: items.map { ($0.id, $0.state) })
        return ledger.acknowledged.lazy.filter { $0.key.queue == queue }.flatMap { key, tokens -> [OracleFinding] in
            var findings: [OracleFinding] = []
            if tokens.count > 1 {
                findings.append(
                    OracleFinding(
                        .acknowledgedTwice,
                        "item \(key.item) of '\(queue)' under tokens \(tokens.map(\.description).joined(separator: ", "))"
                    ))
            }
            let state = states[key.item]
            if state == nil && !isPruned || state != nil && state != .done && state != .superseded {
                findings.append(
                    OracleFinding(
                        .lost,
                        "item \(key.item) of '\(queue)' was acknowledged and is \(state?.rawValue ?? "not there")"))
            }
            return findings
        }
    }

    private var itemFindings: [OracleFinding] {
        items.flatMap { item -> [OracleFinding] in
            var findings: [OracleFinding] = []
            let name = "item \(item.id) of '\(queue)' ('\(item.payload.preview)')"
            let claims = ledger.claims[key(item.id)]?.count ?? 0
            if let counted = item.claims, counted < claims {
                findings.append(
                    OracleFinding(.claims, "\(name) counts \(counted) claims, \(claims) were told"))
            }
            if !check.isCulprit(queue, item.payload) {
                let blame = ledger.blamed[key(item.id)] ?? 0
                if item.attempts > blame || item.state == .dead && blame == 0 {
                    findings.append(
                        OracleFinding(
                            .innocent,
                            "\(name) is \(item.state.rawValue) with \(item.attempts) attempts spent and \(blame) failures told: \(item.reason ?? "no reason")"
                        ))
                }
            }
            if !item.state.isSettled {
                findings.append(OracleFinding(.notDrained, "\(name) is \(item.state.rawValue)"))
            }
            return findings
        }
    }

    // MARK: What came of them

    /// The outputs of each item against its attempts.
    private var outputs: [OracleFinding] {
        guard let stage = check.view.plan.consumer(of: queue), !stage.outputs.isEmpty, !stage.takesAll else {
            return []
        }
        let pruned = Set(stage.outputs.filter { Self.isPruned($0, check.view.plan) })
        var children: [ItemID: [OracleLedger.Entry: Int]] = [:]
        for output in stage.outputs where !pruned.contains(output) {
            for item in check.view.items[output] ?? [] where item.origin == stage.name && item.key == nil {
                guard let parent = item.parent else { continue }
                let entry = OracleLedger.Entry(queue: output, value: OracleValue(item.payload))
                children[parent, default: [:]][entry, default: 0] += 1
            }
        }
        return items.compactMap { item in
            let found = children[item.id] ?? [:]
            let attempts = ledger.attempts[key(item.id)] ?? []
            let acknowledged = ledger.acknowledged[key(item.id)]
            let possible = attempts.filter { acknowledged?.contains($0.token) ?? true }
            let expected =
                item.state == .done ? possible.map { $0.outputs.filter { !pruned.contains($0.key.queue) } } : [[:]]
            if expected.contains(found) || item.state == .superseded { return nil }
            let tried = expected.map(\.description).joined(separator: " or ")
            return OracleFinding(
                .outputs,
                "\(item.state.rawValue) item \(item.id) of '\(queue)' has \(found), where there should be \(tried)")
        }
    }

    private var effectFindings: [OracleFinding] {
        guard let effects = check.effects[queue] else { return [] }
        var balance: [Payload: Int] = [:]
        for effect in effects { balance[effect, default: 0] += 1 }
        for item in items where item.state == .done { balance[item.payload, default: 0] -= 1 }
        return balance.compactMap { payload, count in
            if count == 0 { return nil }
            return count > 0
                ? OracleFinding(.duplicated, "'\(payload.preview)' of '\(queue)' has \(count) effects too many")
                : OracleFinding(.lost, "'\(payload.preview)' of '\(queue)' lacks \(-count) effects")
        }
    }
}
