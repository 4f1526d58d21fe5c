import Foundation
import GRDB
import Leat
import LeatSQLite
import LeatTesting
import Testing
import Torture

extension Scene {
    /// What the oracle says of this scene, once nothing runs on it any more.
    func examination(
        isCulprit: @escaping @Sendable (QueueName, Payload) -> Bool = { _, _ in false }
    ) async throws -> OracleCheck {
        let store = try await store()
        var check = OracleCheck(try OracleLog.records(path: oracle), try await OracleView(of: store))
        check.distinct = Set(check.view.plan.queues)
        check.isCulprit = isCulprit
        if check.view.plan.consumer(of: "cooked")?.policy.keep == .all {
            check.effects = ["cooked": try await kept().map { .text("\($0)") }]
        }
        check.processes = try processes()
        return check
    }

    /// Everything that the oracle demands, and that the file is sound and its log bounded.
    ///
    /// - Returns: how often it was told what.
    @discardableResult
    func expectHolds(
        _ trial: Trial, isCulprit: @escaping @Sendable (QueueName, Payload) -> Bool = { _, _ in false }
    ) async throws -> OracleCheck {
        let check = try await examination(isCulprit: isCulprit)
        var findings = check.findings.map(\.description)
        let integrity = try await store().reading { try String.fetchAll($0, sql: "PRAGMA integrity_check") }
        if integrity != ["ok"] { findings += integrity }
        let log = try FileManager.default.attributesOfItem(atPath: database + "-wal")[.size] as? Int ?? 0
        if log > 64 << 20 { findings.append("the log has \(log) bytes") }
        guard !findings.isEmpty else { return check }
        trial.breach(findings.count)
        Issue.record("\(findings.prefix(20).joined(separator: "\n"))\nseed \(trial.seed), \(keep())")
        return check
    }

    /// Says of a failed expectation where to look.
    func told(_ trial: Trial) -> String { "seed \(trial.seed), \(keep())\n\(output.suffix(2000))" }
}
