internal import ArgumentParser
internal import Leat

/// `leat take DB QUEUE`: items to standard output.
struct TakeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "take", abstract: "Takes items from a queue on its own, and writes them to standard output.",
        discussion: """
            An item is acknowledged once it is written: killed in between, the command leaves it to be taken again. What \
            a reader that goes away has not read was taken all the same, so ask for as many as are read. For work that \
            must be done before an item is acknowledged, write a stage or a service.

            It ends with status 20 when nothing was ready, and 21 when nothing is left and nothing can come.

            EXAMPLES:
              leat take jobs.db numbers                # one, if one is ready
              leat take jobs.db numbers --limit 100
              leat take jobs.db numbers --all --wait   # as they come, until the queue is sealed and empty
            """)

    @OptionGroup var database: DatabaseArgument
    @Argument(help: "The queue's name.")
    var queue: String
    @OptionGroup var items: ItemFormatOptions
    @Option(help: "At most so many.")
    var limit: Int?
    @Flag(help: "All that are ready.")
    var all = false
    @Flag(help: "Wait for more when none is ready.")
    var wait = false
    @Option(
        name: .customLong("for"),
        help: ArgumentHelp("How long an item that is being written stays this command's.", valueName: "seconds"))
    var seconds: Double = 30

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit is a number from 1 on") }
        guard limit == nil || !all else { throw ValidationError("--limit and --all exclude each other") }
        guard items.format != .blob || !all && (limit ?? 1) == 1 else {
            throw ValidationError("of blobs one is taken at a time, since nothing tells where one ends")
        }
        guard (0.1...86_400).contains(seconds) else { throw ValidationError("--for is between 0.1 seconds and a day") }
    }

    func run() async throws {
        let (database, plan) = try await OpenStore.existing(database.db, deadline: .seconds(30))
        let name = try queueName(queue, in: plan)
        let taking = Taking(
            queue: try await database.store.queue(name), format: items.format, limit: all ? nil : limit ?? 1,
            isPatient: wait, lease: .milliseconds(Int64(seconds * 1000)))
        let status = try await taking.status()
        try await database.checkpoint()
        throw status.code
    }
}
