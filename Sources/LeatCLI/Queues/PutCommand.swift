internal import ArgumentParser
internal import Leat

/// `leat put DB QUEUE`: items from standard input.
struct PutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put", abstract: "Puts items from standard input into a queue.",
        discussion: """
            The database and the queue are made when they are not there. What has been read is put, and is there for \
            good, before more is read. When a line is refused, nothing of it nor of what follows is put, and the error \
            tells its number: go on from there. A queue that holds as much as it may is waited for.

            EXAMPLES:
              seq 1000 | leat put jobs.db numbers
              jq -c '.orders[]' orders.json | leat put jobs.db orders --as ndjson --key number
              leat put jobs.db payments --as ndjson --group account < payments.ndjson
              echo 'happy new year' | leat put jobs.db mails --at 2027-01-01T00:00:00+01:00
              leat put jobs.db pictures --as blob < picture.png
            """)

    @OptionGroup var database: DatabaseArgument
    @Argument(help: "The queue's name.")
    var queue: String
    @OptionGroup var items: ItemFormatOptions
    @Option(
        help:
            "Of lines of JSON: the field whose value is an item's key. An item of a key that is there is not put again."
    )
    var key: String?
    @Option(
        help:
            "Of lines of JSON: the field whose value is an item's group; a line without it is in none. Of a group one item is handed out at a time, in order."
    )
    var group: String?
    @Flag(help: "Of lines: a line is its own key, and is not put again when it is there.")
    var unique = false
    @Option(help: ArgumentHelp("They are handed out no earlier than after so long.", valueName: "seconds"))
    var delay: Double = 0
    @Option(
        help: ArgumentHelp(
            "They are handed out no earlier than at this time (2026-12-24T18:00:00Z, or with an offset).",
            valueName: "time"))
    var at: WallTime?
    @Option(help: "They are handed out before those of a lower one; 0 or more.")
    var priority = 0
    @OptionGroup var output: FormatOptions

    func validate() throws {
        guard (0...315_360_000).contains(delay) else {
            throw ValidationError("a delay is between 0 seconds and ten years")
        }
        guard at == nil || delay == 0 else { throw ValidationError("give --delay or --at, not both") }
        guard priority >= 0 else { throw ValidationError("a priority is 0 or more") }
        guard key == nil || items.format == .ndjson else {
            throw ValidationError("--key is of lines of JSON: --as ndjson")
        }
        guard group == nil || items.format == .ndjson else {
            throw ValidationError("--group is of lines of JSON: --as ndjson")
        }
        guard !unique || items.format == .lines else { throw ValidationError("--unique is of lines: --as lines") }
    }

    func run() async throws {
        let name = try QueueName(checking: queue)
        let database = try await OpenStore.open(database.db, creating: true)
        let isNew = try await database.store.plan()?.queues.contains(name) != true
        let queue = try await database.store.queue(name, of: [UInt8].self)
        if isNew { StandardError.write("Queue '\(name)' is new in \(printable(self.database.db)).") }
        let putting = Putting(
            queue: queue, input: ItemInput(format: items.format, key: key, group: group, isUnique: unique),
            due: at.map { .at($0.date) } ?? .after(.milliseconds(Int64(delay * 1000))), priority: priority)
        let count = try await putting.run()
        try await database.checkpoint()
        try StandardOutput.write(output.format == .json ? try jsonLine(count) : count.sentence)
    }
}

/// What was put, for programs and for people.
struct PutLine: Encodable, Sendable {
    let order = "put"
    let queue: QueueName
    var items = 0
    /// Those whose key was there already.
    var known = 0

    init(queue: QueueName) { self.queue = queue }

    var sentence: String {
        "\(items) \(items == 1 ? "item" : "items") put into queue \(queue)"
            + (known > 0 ? ", \(known) there already" : "")
    }
}
