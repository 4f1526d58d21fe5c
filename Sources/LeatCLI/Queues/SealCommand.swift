internal import ArgumentParser
internal import Leat

/// `leat seal DB QUEUE`: nothing more comes from outside.
struct SealCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "seal",
        abstract: "Closes a queue: it ends when the items that it has are settled.",
        discussion: "One that stages of a pipeline feed closes when they have ended.")

    @OptionGroup var order: QueueOrder

    func run() async throws {
        try await order.give("seal", "is sealed") { try await $0.seal($1, by: $2) }
    }
}

/// `leat reopen DB QUEUE`: takes back its end.
struct ReopenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reopen", abstract: "Opens a queue for items from outside, until it is sealed.",
        discussion: "What followed from its end is taken back: stages behind it go on when the pipeline is run again.")

    @OptionGroup var order: QueueOrder

    func run() async throws {
        try await order.give("reopen", "is open") { try await $0.reopen($1, by: $2) }
    }
}

/// An order to a queue.
struct QueueOrder: ParsableArguments {
    @OptionGroup var database: DatabaseArgument
    @Argument(help: "The queue's name.")
    var queue: String
    @OptionGroup var output: FormatOptions

    func give(
        _ order: String, _ effect: String, _ work: (any Store, QueueName, String) async throws -> Void
    ) async throws {
        let (database, plan) = try await OpenStore.existing(database.db)
        let name = try queueName(queue, in: plan)
        try await work(database.store, name, orderer(order))
        let line = QueueOrderLine(order: order, queue: name)
        try StandardOutput.write(output.format == .json ? try jsonLine(line) : "queue \(name) \(effect)")
    }
}

private struct QueueOrderLine: Encodable {
    let order: String
    let queue: QueueName
}
