internal import ArgumentParser
internal import Leat

/// `leat retry DB STAGE`: dead letters get a fresh budget.
struct RetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Makes a stage's dead letters ready again, and reopens what follows.",
        discussion:
            "The pipeline's own command does the work, as it resumes; a run that is going on takes them at once.")

    @OptionGroup var database: DatabaseArgument
    @Argument(help: "The stage's name.")
    var stage: String
    @OptionGroup var output: FormatOptions

    func run() async throws {
        let (database, plan) = try await OpenStore.existing(database.db)
        let stage = try stageName(stage, in: plan)
        guard plan.stage(stage)?.input != nil else {
            throw LeatError(
                .refused,
                "Stage '\(stage)' has no input, and so no dead letters to retry; if it failed, 'restart' lets it go on."
            )
        }
        let count = try await database.store.retry(stage, by: orderer("retry"))
        // Asked after the order: a run that is over by now may not have seen it.
        let isRunning = try FileLock.isHeld(path: database.runLock)
        try report(
            OrderLine(order: "retry", stage: stage, items: count),
            "\(count) dead \(count == 1 ? "letter" : "letters") of stage \(stage) ready again"
                + (count > 0 && !isRunning && plan.stage(stage)?.kind != .queue ? ": run the pipeline again" : ""),
            output.format)
    }
}
