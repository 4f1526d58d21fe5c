internal import Leat

/// Whether a database's figures balance.
struct VerifyReport: Encodable, Sendable {
    let isBalanced: Bool
    let discrepancies: [Discrepancy]

    static let discussion = """
        It exits with 0 when all figures balance, and with 40 when any two differ that should be equal; each such pair \
        is a line.
        """

    static func print(
        _ path: String, of pipeline: Pipeline? = nil, _ format: OutputFormat
    ) async throws -> CommandStatus {
        let (database, _) = try await OpenStore.existing(path, of: pipeline)
        let report = VerifyReport(try await database.store.verify())
        try StandardOutput.write(format == .json ? try jsonLine(report) : report.text)
        return report.isBalanced ? .complete : .internalError
    }

    init(_ discrepancies: [Discrepancy]) {
        isBalanced = discrepancies.isEmpty
        self.discrepancies = discrepancies
    }

    private enum CodingKeys: String, CodingKey {
        case isBalanced = "balanced"
        case discrepancies
    }

    var text: String {
        guard !isBalanced else { return "balanced" }
        return discrepancies.map { pair in
            "\(printable(pair.what)): expected \(printable(pair.expected)), found \(printable(pair.found))"
        }.joined(separator: "\n")
    }
}
