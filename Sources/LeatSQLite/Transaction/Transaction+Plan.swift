internal import GRDB
internal import Leat
internal import Synchronization

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Writing the plan down, and reading it back.
extension Transaction {
    /// Makes the tables of a new pipeline, or checks the plan against the one that is there.
    func install(_ plan: Plan) throws {
        let stored = try storedPlan()
        let changes = sql.totalChanges
        if let stored, stored.pipeline != nil {
            if let refusal = plan.refusal(by: stored) { throw refusal }
            try addShards(plan)
            for stage in plan.stages { try write(stage.policy, of: stage.name) }
        } else {
            for queue in stored?.queues ?? [] where plan.queues.contains(queue) {
                throw LeatError(
                    .pipelineChanged,
                    "This database has a queue '\(queue)' on its own, and the pipeline has one of that name; give one of them another name, or another file."
                )
            }
            try create(plan, beside: stored)
        }
        try renewPlan(isChanged: sql.totalChanges > changes)
        try cascade()
    }

    /// Makes a queue on its own, or finds the queue of that name and what takes from it.
    func makeQueue(_ name: QueueName, policy: StagePolicy?) throws -> StageSpec {
        let stored = try storedPlan()
        if let stored { try keep(stored) }
        if let stage = stored?.consumer(of: name) {
            guard let policy, policy != stage.policy else { return stage }
            guard stage.kind == .queue else {
                throw LeatError(
                    .refused,
                    "Queue '\(name)' belongs to stage '\(stage.name)' of a pipeline, whose program says what holds for it; leave its policy out."
                )
            }
            try write(policy, of: stage.name)
            return try renewPlan(isChanged: true).consumer(of: name) ?? stage
        }
        let stage = StageSpec(queue: name, policy: policy ?? .queue)
        _ = try stored?.adding(stage)
        guard (stored?.queues.count ?? 0) < Self.mostQueues else {
            throw LeatError(
                .refused,
                "There are \(Self.mostQueues) queues in this database, the most that one may have; put what is alike into one queue, or begin another file."
            )
        }
        if stored == nil { try createRun(pipeline: nil) }
        try create(stage, at: stored?.stages.count ?? 0)
        try create(name, isSealed: false)
        try renewPlan(isChanged: true)
        return stage
    }

    /// Each is tables and indexes, which every connection reads when the schema changes, and a part of the views, of which
    /// SQLite allows 500 (https://sqlite.org/limits.html).
    static let mostQueues = 200

    /// Reads the plan again after a change, and makes the views of it. Names and counts are in the stored plan's order:
    /// so are the views.
    @discardableResult
    private func renewPlan(isChanged: Bool) throws -> Plan {
        if isChanged { try sql.execute("UPDATE leat_run SET plan_version = plan_version + 1") }
        guard let plan = try storedPlan() else {
            throw LeatError(.storeFailed, "The plan that was just written is not there; run verify.")
        }
        try StatusViews(plan).renew(in: database)
        try keep(plan)
        return plan
    }

    func storedPlan() throws -> Plan? { try Self.storedPlan(in: database) }

    static func storedPlan(in database: Database) throws -> Plan? {
        try readingRecords("the plan") { try readPlan(in: database) }
    }

    private static func readPlan(in database: Database) throws -> Plan? {
        guard let run = try Row.fetchOne(database, sql: "SELECT pipeline, parameters FROM leat_run") else { return nil }
        let pipeline: String? = try (run["pipeline"] as DatabaseValue).isNull ? nil : run.value("pipeline")
        let parameters: String = try run.value("parameters")
        // A question a table, not a stage: there may be hundreds.
        let outputs = try names(in: database, "SELECT stage, queue FROM leat_edges ORDER BY position")
        let after = try names(in: database, "SELECT stage, earlier FROM leat_after ORDER BY earlier")
        let shards = try names(in: database, "SELECT stage, shard FROM leat_producers ORDER BY position")
        var stages: [StageSpec] = []
        for row in try Row.fetchAll(database, sql: "SELECT * FROM leat_stages ORDER BY position") {
            let name: String = try row.value("name")
            let policy: String = try row.value("policy")
            let input: String? = try (row["input"] as DatabaseValue).isNull ? nil : row.value("input")
            let kind: String = try row.value("kind")
            stages.append(
                try StageSpec(
                    StageName(checking: name), kind: StageKind(rawValue: kind) ?? .consumer,
                    input: input.map { try QueueName(checking: $0) },
                    outputs: (outputs[name] ?? []).map { try QueueName(checking: $0) },
                    after: (after[name] ?? []).map { try StageName(checking: $0) }, takesAll: row.value("takes_all"),
                    shards: input == nil ? (shards[name] ?? []).map { ShardName($0) } : [],
                    policy: try JSONDecoder().decode(StagePolicy.self, from: Data(policy.utf8))))
        }
        return try Plan(
            pipeline: pipeline, stages: stages,
            parameters: Parameters(JSONDecoder().decode([String: String].self, from: Data(parameters.utf8))))
    }

    /// What stands in the second column, by the first.
    private static func names(in database: Database, _ sql: String) throws -> [String: [String]] {
        try Row.fetchAll(database, sql: sql).reduce(into: [:]) { names, row in
            try names[row.value(at: 0), default: []].append(row.value(at: 1))
        }
    }

    /// - Parameter stored: the queues on their own that are there already.
    private func create(_ plan: Plan, beside stored: Plan?) throws {
        for stage in stored?.stages ?? [] where plan.stage(stage.name) != nil {
            throw LeatError(
                .pipelineChanged,
                "This database has a queue '\(stage.name)' on its own, and the pipeline has a stage of that name; give one of them another name, or another file."
            )
        }
        if stored == nil {
            try createRun(pipeline: nil)
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let parameters = String(decoding: try encoder.encode(plan.parameters.values), as: UTF8.self)
        try database.execute(
            sql: "UPDATE leat_run SET pipeline = ?, parameters = ?", arguments: [plan.pipeline, parameters])
        for (position, stage) in plan.stages.enumerated() {
            try create(stage, at: position + (stored?.stages.count ?? 0))
            for (position, queue) in stage.outputs.enumerated() {
                try database.execute(
                    sql: "INSERT INTO leat_edges (stage, queue, position) VALUES (?, ?, ?)",
                    arguments: [stage.name.rawValue, queue.rawValue, position])
            }
            for earlier in stage.after {
                try database.execute(
                    sql: "INSERT INTO leat_after (stage, earlier) VALUES (?, ?)",
                    arguments: [stage.name.rawValue, earlier.rawValue])
            }
            let shards = stage.input == nil ? stage.shards : stage.outputs.isEmpty ? [] : [.whole]
            for (position, shard) in shards.enumerated() { try addShard(shard, of: stage.name, at: position) }
        }
        for queue in plan.queues { try create(queue, isSealed: true) }
        // Once more, now that there are queues that have what it says of them.
        for stage in plan.stages { try write(stage.policy, of: stage.name) }
    }

    private func createRun(pipeline: String?) throws {
        try database.execute(
            sql: "INSERT INTO leat_run (only, id, pipeline, created_at) VALUES (1, lower(hex(randomblob(8))), ?, ?)",
            arguments: [pipeline, now])
    }

    private func create(_ stage: StageSpec, at position: Int) throws {
        try database.execute(
            sql: "INSERT INTO leat_stages (name, position, kind, input, takes_all, policy) VALUES (?, ?, ?, ?, ?, '')",
            arguments: [stage.name.rawValue, position, stage.kind.rawValue, stage.input?.rawValue, stage.takesAll])
        try write(stage.policy, of: stage.name)
        try database.execute(sql: "INSERT INTO leat_counts (stage) VALUES (?)", arguments: [stage.name.rawValue])
    }

    private func create(_ queue: QueueName, isSealed: Bool) throws {
        try database.execute(
            sql: "INSERT INTO leat_queues (name, sealed) VALUES (?, ?)", arguments: [queue.rawValue, isSealed])
        for migration in Migration.all {
            // Who puts into a queue is known, unless it is on its own.
            try database.execute(sql: migration.perQueue(queue, isOwn: !isSealed))
        }
    }

    private func write(_ policy: StagePolicy, of stage: StageName) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let text = String(decoding: try encoder.encode(policy), as: UTF8.self)
        var count: Int?
        var percent: Double?
        switch policy.maxDead {
        case .any: break
        case .atMost(let limit): count = limit
        case .percent(let share): percent = share
        }
        try database.execute(
            sql: """
                UPDATE leat_stages SET policy = ?2, max_dead = ?3, max_dead_percent = ?4, attempts = ?5
                WHERE name = ?1 AND (policy, max_dead, max_dead_percent, attempts) IS NOT (?2, ?3, ?4, ?5)
                """,
            arguments: [stage.rawValue, text, count, percent, policy.retry.attempts])
        try database.execute(
            sql: """
                UPDATE leat_queues SET capacity = ?2
                WHERE name = (SELECT input FROM leat_stages WHERE name = ?1) AND capacity IS NOT ?2
                """, arguments: [stage.rawValue, policy.capacity])
    }

    private func addShard(_ shard: ShardName, of stage: StageName, at position: Int) throws {
        try database.execute(
            sql: "INSERT INTO leat_producers (stage, shard, position) VALUES (?, ?, ?)",
            arguments: [stage.rawValue, shard.rawValue, position])
    }

    static func source(in database: Database) throws -> RunSource? {
        try readingRecords("what the pipeline was run from") {
            guard let text = try String.fetchOne(database, sql: "SELECT source FROM leat_run") else { return nil }
            return try JSONDecoder().decode(RunSource.self, from: Data(text.utf8))
        }
    }

    func note(_ source: RunSource) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let text = String(decoding: try encoder.encode(source), as: UTF8.self)
        try database.execute(sql: "UPDATE leat_run SET source = ?1 WHERE source IS NOT ?1", arguments: [text])
    }

    private func addShards(_ plan: Plan) throws {
        for stage in plan.stages where stage.input == nil {
            for (position, shard) in stage.shards.enumerated()
            where try producer(ShardID(stage.name, shard)) == nil {
                for later in plan.downstream(of: stage.name) where try hasEnded(later.name) {
                    throw LeatError(
                        .pipelineChanged,
                        "Producer '\(stage.name)' has a new shard '\(printable(shard.rawValue))', but stage '\(later.name)' has ended on all that was before it; begin a new run in a new file."
                    )
                }
                for queue in stage.outputs where try isClosed(queue) {
                    throw LeatError(
                        .pipelineChanged,
                        "Producer '\(stage.name)' has a new shard '\(printable(shard.rawValue))', but queue '\(queue)' is closed; begin a new run in a new file."
                    )
                }
                try addShard(shard, of: stage.name, at: position)
            }
        }
    }
}
