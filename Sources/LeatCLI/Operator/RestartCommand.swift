internal import ArgumentParser
internal import Leat

/// `leat restart DB STAGE`: a failed stage alone may go on.
struct RestartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart", abstract: "Clears a failed stage, so that it alone may go on.",
        discussion: """
            It clears the stage's trip and its crash budget, and touches no item: only what was not settled is done. A \
            run that is going on starts its workers again; otherwise the pipeline's own command does.
            """)

    @OptionGroup var database: DatabaseArgument
    @Argument(help: "The stage's name.")
    var stage: String
    @OptionGroup var output: FormatOptions

    func run() async throws {
        let (database, plan) = try await OpenStore.existing(database.db)
        let stage = try stageName(stage, in: plan)
        try await database.store.restart(stage, by: orderer("restart"))
        try report(OrderLine(order: "restart", stage: stage), "stage \(stage) may go on", output.format)
    }
}
