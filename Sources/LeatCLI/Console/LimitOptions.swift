internal import ArgumentParser

/// How many lines a list may have.
struct LimitOptions: ParsableArguments {
    @Option(help: "At most so many.")
    var limit = 1000

    func validate() throws {
        guard (1...1_000_000_000).contains(limit) else {
            throw ValidationError("--limit is a number from 1 to 1,000,000,000")
        }
    }

    /// The first lines of a list, and a word on standard error when there are more.
    func page<Line>(_ lines: (_ limit: Int) async throws -> [Line]) async throws -> [Line] {
        // One more than is shown tells whether there are more.
        let found = try await lines(limit + 1)
        if found.count > limit { StandardError.write("There are more than \(limit); give a higher --limit.") }
        return Array(found.prefix(limit))
    }
}
