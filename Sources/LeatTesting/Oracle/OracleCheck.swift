public import Leat

/// Holds what processes have told a log against what the store shows when all is drained.
///
/// It is pure: the same records and the same view give the same findings. Each is a breach of a promise, so an empty
/// list is the proof.
///
/// ```swift
/// var check = OracleCheck(try log.records(), try await OracleView(of: store))
/// check.distinct = ["numbers", "squares"]
/// check.isCulprit = { queue, payload in queue == "numbers" && payload == .text("77") }
/// #expect(check.findings == [])
/// ```
public struct OracleCheck: Sendable {
    public let records: [OracleRecord]
    public let view: OracleView
    /// Queues in which no value is put twice, so that one which stands there twice was doubled. Without it a value that
    /// a producer put anew after a crash can't be told from one that it gives twice.
    public var distinct: Set<QueueName> = []
    /// Whether an item is to blame for its worker's death or its own failure. What threw has told so itself.
    public var isCulprit: @Sendable (QueueName, Payload) -> Bool = { _, _ in false }
    /// What a consumer has had for effects, exactly one for each done item of its queue: rows in the same database.
    public var effects: [QueueName: [Payload]] = [:]
    /// Processes that were started for the run and live still, as whoever started them found.
    public var processes: [Int32] = []

    public init(_ records: [OracleRecord], _ view: OracleView) {
        self.records = records
        self.view = view
    }

    /// All that must not be.
    public var findings: [OracleFinding] {
        let ledger = OracleLedger(records)
        var findings: [OracleFinding] = []
        for queue in view.plan.queues {
            findings += OracleQueueCheck(queue, self, ledger).findings
        }
        findings += ledger.late + ledger.entered
        findings += view.discrepancies.map {
            OracleFinding(.unbalanced, "\($0.what): expected \($0.expected), found \($0.found)")
        }
        findings += view.workers.filter(\.isLive).map {
            OracleFinding(.leftover, "worker \($0.id) of stage '\($0.stage)' is live, as process \($0.pid)")
        }
        return findings + processes.map { OracleFinding(.leftover, "process \($0) lives") }
    }

    /// How often something was told.
    public func count(_ kind: OracleRecord.Kind) -> Int { records.count { $0.kind == kind } }
}
