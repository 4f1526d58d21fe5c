internal import ArgumentParser
internal import Leat

/// `leat skip DB STAGE --item N`: settles an item without effect.
struct SkipCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "skip", abstract: "Settles an item of a stage's input without doing it.")

    @OptionGroup var database: DatabaseArgument
    @Argument(help: "The stage's name.")
    var stage: String
    @Option(help: "The item's number, as 'dead' and the database show it.")
    var item: Int64
    @OptionGroup var output: FormatOptions

    func run() async throws {
        let (database, plan) = try await OpenStore.existing(database.db)
        let stage = try stageName(stage, in: plan)
        try await database.store.skip(ItemID(item), of: stage, by: orderer("skip"))
        try report(
            OrderLine(order: "skip", stage: stage, item: item, items: 1), "item \(item) of stage \(stage) skipped",
            output.format)
    }
}
