internal import ArgumentParser
internal import Leat
internal import LeatSupervisor

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// `leat attempts DB`: what went wrong, and when.
struct AttemptsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attempts", abstract: "Lists the attempts that failed, the last one first, with their errors.",
        discussion: """
            Attempts without an item are a stage's own: its producer threw, or its workers died. Of one --item all that \
            its attempts left on standard error is shown, of others the last line.
            """)

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
        case .table: try StandardOutput.write(item == nil ? attemptTable(attempts) : attemptReport(attempts))
        }
    }
}

/// - Parameter hasLastWords: whether the last line of standard error stands beside the error.
func attemptTable(_ attempts: [AttemptRecord], hasLastWords: Bool = true) -> String {
    guard !attempts.isEmpty else { return "No attempt has failed." }
    var table = TextTable(["FAILED AT", "STAGE", "ITEM", "WORKER", "EXIT", "TOOK", "ERROR"])
    for attempt in attempts {
        table.add([
            attempt.time, attempt.stage, attempt.item.map { "\($0)" } ?? "-", "\(attempt.worker)",
            attempt.exitStatus.map { "\($0)" } ?? "-", attempt.durationMilliseconds.map(shortTime) ?? "-",
            hasLastWords ? withLastWords(attempt.error, attempt.errorOutput) : attempt.error,
        ])
    }
    return table.text
}

/// The attempts of one item, each with all that it left on standard error.
func attemptReport(_ attempts: [AttemptRecord]) -> String {
    let outputs = attempts.compactMap { attempt in
        attempt.errorOutput.map { output in
            let lines = output.split(whereSeparator: \.isNewline).map { "  " + printable(String($0)) }
            return "Standard error of the attempt that failed at \(attempt.time):\n" + lines.joined(separator: "\n")
        }
    }
    return ([attemptTable(attempts, hasLastWords: false)] + outputs).joined(separator: "\n\n")
}

/// An error with the last line that was written on standard error, unless that adds nothing to it.
func withLastWords(_ error: String, _ output: String?) -> String {
    let lines = output?.split(whereSeparator: \.isNewline) ?? []
    guard let line = lines.last(where: { $0.contains { !$0.isWhitespace } }) else { return error }
    let words = Payload.text(String(line.drop(while: \.isWhitespace)).withoutTrailingBlanks).preview
    return printable(error).contains(words) ? error : "\(error) [stderr: \(words)]"
}

/// `250 ms`, `1.2 s`, `3 min 7 s`.
private func shortTime(_ milliseconds: Int64) -> String {
    if milliseconds < 1000 { return "\(milliseconds) ms" }
    guard milliseconds < 60_000 else { return shortDuration(Double(milliseconds) / 1000) }
    return "\(milliseconds / 1000).\(milliseconds % 1000 / 100) s"
}

extension AttemptRecord {
    fileprivate var time: String { Date(timeIntervalSince1970: Double(failedAt) / 1000).formatted(.iso8601) }
}
