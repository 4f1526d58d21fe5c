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
        let failed = Set(try await database.store.status().filter { $0.state == .failed }.map(\.stage))
        let lines = try await database.store.queues().map { status in
            QueueLine(status, isFailed: failed.contains(status.stage ?? StageName(of: status.queue)))
        }
        switch output.format {
        case .json: for line in lines { try StandardOutput.write(try jsonLine(line)) }
        case .table: try StandardOutput.write(queueTable(lines))
        }
    }
}

/// A queue as JSON.
struct QueueLine: Encodable {
    let status: QueueStatus
    /// Whether nothing is handed out, since too much has died.
    let isFailed: Bool

    init(_ status: QueueStatus, isFailed: Bool) {
        self.status = status
        self.isFailed = isFailed
    }

    var word: String {
        if isFailed { return StageState.failed.rawValue }
        return status.isFinished ? "finished" : status.isClosed ? "closed" : status.isSealed ? "fed" : "open"
    }

    private enum CodingKeys: String, CodingKey { case state }

    func encode(to encoder: any Encoder) throws {
        try status.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(word, forKey: .state)
    }
}

func queueTable(_ lines: [QueueLine]) -> String {
    var table = TextTable(["QUEUE", "STATE", "STAGE", "READY", "WAITING", "LEASED", "DONE", "DEAD", "SKIPPED"])
    for line in lines {
        let queue = line.status
        table.add([
            queue.queue, line.word, queue.stage?.rawValue ?? "-", queue.ready, queue.waiting, queue.leased, queue.done,
            queue.dead, queue.skipped,
        ])
    }
    return table.text
}
