internal import ArgumentParser
internal import Leat

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// `leat attempts DB`: what went wrong, and when.
struct AttemptsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attempts", abstract: "Lists the attempts that failed, the last one first, with their errors.",
        discussion: "Attempts without an item are a stage's own: its producer threw, or its workers died.")

    @OptionGroup var database: DatabaseArgument
    @Option(help: "Only those of this stage.")
    var stage: String?
    @Option(help: "Only those of this item of the stage.")
    var item: Int64?
    @OptionGroup var limits: LimitOptions
    @OptionGroup var output: FormatOptions

    func validate() throws {
        guard item == nil || stage != nil else { throw ValidationError("--item names an item of a --stage") }
    }

    func run() async throws {
        let (database, plan) = try await OpenStore.existing(database.db)
        let stage = try stage.map { try stageName($0, in: plan) }
        let attempts = try await limits.page { limit in
            try await database.store.attempts(of: stage, item: item.map { ItemID($0) }, limit: limit)
        }
        switch output.format {
        case .json: for attempt in attempts { try StandardOutput.write(try jsonLine(attempt)) }
        case .table: try StandardOutput.write(attemptTable(attempts))
        }
    }
}

func attemptTable(_ attempts: [AttemptRecord]) -> String {
    guard !attempts.isEmpty else { return "No attempt has failed." }
    var table = TextTable(["FAILED AT", "STAGE", "ITEM", "WORKER", "ERROR"])
    for attempt in attempts {
        let time = Date(timeIntervalSince1970: Double(attempt.failedAt) / 1000)
        table.add([
            time.formatted(.iso8601), attempt.stage, attempt.item.map { "\($0)" } ?? "-", "\(attempt.worker)",
            attempt.error,
        ])
    }
    return table.text
}
