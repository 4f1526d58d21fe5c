internal import Leat
internal import LeatProcess

/// A process that is given all of its input at once, and whose lines count once it has exited with status 0.
extension CommandStage {
    /// - Parameters:
    ///   - input: what is written to its standard input, which is closed then.
    ///   - isBatch: whether each line that it writes shows that it goes on.
    /// - Returns: the lines that it wrote.
    func run(
        _ input: [UInt8], _ variables: [String: String], about subject: String, isBatch: Bool = false
    ) async throws -> [[UInt8]] {
        let errors = errorOutput(subject)
        let start = ContinuousClock.now
        let limit = Int(clamping: entry.outputLimit)
        let lines: [[UInt8]]
        let end: CommandEnd
        do {
            (lines, end) = try await command(variables, timeout: timeout).run(
                guardian: host.guardian(), errors: errors
            ) { running in
                async let written: Void = {
                    // Who does not read all of it may have seen enough: its status decides.
                    await Self.give(input, to: running, isBatch: isBatch)
                    await running.closeInput()
                }()
                var splitter = LineSplitter(limit: limit)
                var lines: [[UInt8]] = []
                var count = 0
                try await running.output { piece in
                    count += piece.count
                    guard count <= limit else {
                        throw CommandProtocolError(
                            "it wrote more than \(limit) bytes on standard output, the most that 'limits: output' allows"
                        )
                    }
                    // It is no longer than all of it.
                    lines += try splitter.add(piece)
                    if isBatch {
                        running.expect()
                        Activity.current?.prolong()
                    }
                }
                if let last = splitter.finish() { lines.append(last) }
                await written
                return lines
            }
        } catch {
            throw failure(error, errors, took: start.duration(to: .now))
        }
        let verdict = ExitVerdict(of: end, pause: pause)
        if let failure = failure(verdict, end, errors, took: start.duration(to: .now)) { throw failure }
        return lines
    }

    /// Of a batch what it reads shows that it goes on, as what it writes does.
    private static func give(_ input: [UInt8], to running: RunningCommand, isBatch: Bool) async {
        guard isBatch else {
            _ = await running.write(input)
            return
        }
        var rest = input[...]
        while !rest.isEmpty {
            guard await running.write(Array(rest.prefix(64 << 10))) else { return }
            rest = rest.dropFirst(64 << 10)
            running.expect()
            Activity.current?.prolong()
        }
    }

    // MARK: Items

    /// One process an item: each line that it writes is an output.
    func work(on item: Item, _ outputs: inout [Output]) async throws {
        let lines = try await run(Self.input(of: item), variables(of: item), about: "item \(item.id)")
        for line in lines { try read(line, into: &outputs) }
    }

    /// Text ends like a line; bytes are given as they are.
    static func input(of item: Item) -> [UInt8] {
        switch item.payload {
        case .text(let text): Array(text.utf8) + [UInt8(ascii: "\n")]
        case .blob(let bytes): bytes
        }
    }

    func variables(of item: Item) -> [String: String] {
        var variables = ["LEAT_ID": "\(item.id)", "LEAT_ATTEMPT": "\(item.attempts + 1)"]
        if let context = ItemContext.current {
            variables["LEAT_KEY"] = context.idempotencyKey
            variables["LEAT_RUN"] = context.runID
        }
        return variables
    }

    private func read(_ line: [UInt8], into outputs: inout [Output]) throws {
        do {
            try reader.read(line, into: &outputs)
        } catch let error as CommandProtocolError {
            throw CommandError("\(name): \(error)", .backOff, Evidence())
        }
    }

    // MARK: Batches

    /// One process a batch of lines.
    func batch(_ items: [Item]) -> PreparedBatch<() async throws -> [Output]> {
        var accepted: [Item] = []
        var rejected: [ItemID: Failure] = [:]
        for item in items {
            if item.payload.bytes.contains(UInt8(ascii: "\n")) {
                rejected[item.id] = Failure(notALine, .never)
            } else {
                accepted.append(item)
            }
        }
        return PreparedBatch(accepted, rejected: rejected) { [accepted] in try await work(on: accepted) }
    }

    private func work(on items: [Item]) async throws -> [Output] {
        var input: [UInt8] = []
        for item in items {
            input += item.payload.bytes
            input.append(UInt8(ascii: "\n"))
        }
        var variables: [String: String] = [:]
        if let run = Activity.current?.runID {
            variables["LEAT_RUN"] = run
            // The same for every attempt at the stage's whole input.
            if entry.whenClosed { variables["LEAT_KEY"] = "\(run)/\(entry.name)" }
        }
        let lines = try await run(
            input, variables, about: Self.subject(items), isBatch: true)
        var outputs: [Output] = []
        guard entry.cardinality == .one else {
            for line in lines { try read(line, into: &outputs) }
            return outputs
        }
        guard lines.count == items.count else {
            throw CommandError(
                "\(name) wrote \(lines.count) lines for \(items.count) items, and 'cardinality: one' wants a line for each",
                .backOff, Evidence())
        }
        for (item, line) in zip(items, lines) {
            let mark = outputs.count
            try read(line, into: &outputs)
            for index in mark..<outputs.count { outputs[index].parent = item.id }
        }
        return outputs
    }

    private static func subject(_ items: [Item]) -> String {
        switch items.count {
        case 0: "no items"
        case 1: "item \(items[0].id)"
        default: "items \(items[0].id) to \(items[items.count - 1].id)"
        }
    }

    // MARK: After others

    /// One process without input, once.
    func runOnce() async throws {
        var variables: [String: String] = [:]
        if let run = Activity.current?.runID {
            variables["LEAT_RUN"] = run
            variables["LEAT_KEY"] = "\(run)/\(entry.name)"
        }
        _ = try await self.run([], variables, about: "once")
    }
}
