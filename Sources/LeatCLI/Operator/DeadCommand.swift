internal import ArgumentParser
internal import Leat

/// `leat dead DB`: the dead letters with their reasons.
struct DeadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead", abstract: "Lists dead letters: items whose attempts are used up, with their reasons.")

    @OptionGroup var database: DatabaseArgument
    @Option(help: "Only those of this stage.")
    var stage: String?
    @OptionGroup var limits: LimitOptions
    @OptionGroup var output: FormatOptions

    func run() async throws {
        let (database, plan) = try await OpenStore.existing(database.db)
        let stage = try stage.map { try stageName($0, in: plan) }
        let letters = try await limits.page { try await database.store.deadLetters(of: stage, limit: $0) }
        switch output.format {
        case .json: for letter in letters { try StandardOutput.write(try jsonLine(DeadLetterLine(letter))) }
        case .table: try StandardOutput.write(deadLetterTable(letters))
        }
    }
}

/// A dead letter as JSON: its payload as text, or in base 64 when it is not text.
struct DeadLetterLine: Encodable {
    let stage: StageName
    let queue: QueueName
    let item: ItemID
    let attempts: Int
    let reason: String
    let errorOutput: String?
    let payload: String?
    let payloadBase64: String?

    private enum CodingKeys: String, CodingKey {
        case stage, queue, item, attempts, reason, errorOutput, payload
        case payloadBase64 = "payload_base64"
    }

    init(_ letter: DeadLetter) {
        stage = letter.stage
        queue = letter.queue
        item = letter.item
        attempts = letter.attempts
        reason = letter.reason
        errorOutput = letter.errorOutput
        (payload, payloadBase64) = letter.payload.jsonFields
    }
}

func deadLetterTable(_ letters: [DeadLetter]) -> String {
    guard !letters.isEmpty else { return "No dead letters." }
    var table = TextTable(["STAGE", "ITEM", "ATTEMPTS", "REASON", "PAYLOAD"])
    for letter in letters {
        table.add([
            letter.stage, "\(letter.item)", letter.attempts, withLastWords(letter.reason, letter.errorOutput),
            letter.payload.preview,
        ])
    }
    return table.text
}
