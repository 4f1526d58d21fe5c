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
        let before = try await state(of: stage, database)
        try await database.store.restart(stage, by: orderer("restart"))
        let after = try await state(of: stage, database)
        // Asked after the order: a run that is over by now may not have seen it.
        let isRunning = try FileLock.isHeld(path: database.runLock)
        try report(
            OrderLine(order: "restart", stage: stage, state: after),
            Self.reply(stage, was: before, is: after, isRunning: isRunning), output.format)
    }

    private func state(of stage: StageName, _ database: OpenStore) async throws -> StageState {
        guard let status = try await database.store.status().first(where: { $0.stage == stage }) else {
            throw LeatError(.notFound, "The database has no status of stage '\(stage)'; run verify.")
        }
        return status.state
    }

    static func reply(_ stage: StageName, was: StageState, is now: StageState, isRunning: Bool) -> String {
        guard was == .failed else {
            return "stage \(stage) had not failed (\(was.rawValue)): its counts of failures begin anew"
        }
        guard now != .failed else {
            return "stage \(stage) has more dead letters than it may have, and so remains failed: retry or skip them"
        }
        return isRunning
            ? "stage \(stage) may go on: the run starts its workers again (if it was just ending, run the pipeline again)"
            : "stage \(stage) may go on: run the pipeline again"
    }
}
