internal import ArgumentParser
internal import Leat

/// `leat restart DB STAGE`: a failed stage alone may go on.
struct RestartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart", abstract: "Clears a failed stage, so that it alone may go on.",
        discussion: """
            It clears the stage's trip and its crash budget, and touches no item: only what was not settled is done. A \
            run that is going on starts the stage's workers again. A run ends when nothing else can go on; once it \
            has, the pipeline's own command goes on.
            """)

    @OptionGroup var database: DatabaseArgument
    @Argument(help: "The stage's name.")
    var stage: String
    @OptionGroup var output: FormatOptions

    func run() async throws {
        let (database, plan) = try await OpenStore.existing(database.db)
        let stage = try stageName(stage, in: plan)
        let before = try await database.store.status().first { $0.stage == stage }
        try await database.store.restart(stage, by: orderer("restart"))
        // Asked after the order: a run that is over by now may not have seen it.
        let isRunning = try FileLock.isHeld(path: database.runLock)
        try report(
            OrderLine(order: "restart", stage: stage),
            Self.reply(stage, was: before?.state ?? .failed, isRunning: isRunning), output.format)
    }

    static func reply(_ stage: StageName, was state: StageState, isRunning: Bool) -> String {
        guard state == .failed else { return "stage \(stage) had not failed (\(state.rawValue)): nothing to restart" }
        return isRunning
            ? "stage \(stage) may go on: the run starts its workers again (if it was just ending, run the pipeline again)"
            : "stage \(stage) may go on: run the pipeline again"
    }
}
