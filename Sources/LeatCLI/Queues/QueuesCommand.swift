internal import ArgumentParser
internal import Leat

/// `leat queues DB`: every queue, and what it holds.
struct QueuesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queues", abstract: "Lists the queues, and how many items each has in which state.")

    @OptionGroup var database: DatabaseArgument
    @OptionGroup var output: FormatOptions

    func run() async throws {
        let (database, _) = try await OpenStore.existing(database.db)
        let queues = try await database.store.queues()
        switch output.format {
        case .json: for queue in queues { try StandardOutput.write(try jsonLine(QueueLine(queue))) }
        case .table: try StandardOutput.write(queueTable(queues))
        }
    }
}

/// A queue as JSON.
struct QueueLine: Encodable {
    let status: QueueStatus

    init(_ status: QueueStatus) { self.status = status }

    private enum CodingKeys: String, CodingKey { case state }

    func encode(to encoder: any Encoder) throws {
        try status.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(status.word, forKey: .state)
    }
}

extension QueueStatus {
    var word: String { isFinished ? "finished" : isClosed ? "closed" : isSealed ? "fed" : "open" }
}

func queueTable(_ queues: [QueueStatus]) -> String {
    var table = TextTable(["QUEUE", "STATE", "STAGE", "READY", "WAITING", "LEASED", "DONE", "DEAD", "SKIPPED"])
    for queue in queues {
        table.add([
            queue.queue, queue.word, queue.stage?.rawValue ?? "-", queue.ready, queue.waiting, queue.leased, queue.done,
            queue.dead, queue.skipped,
        ])
    }
    return table.text
}
