import Testing

/// Runs a property for many seeds, up to the first that breaks it, which is printed.
///
/// It makes way for others in between: some tests hold commands to a time.
func forSeeds(_ count: UInt64, _ property: (inout Seeded) throws -> Void) async {
    for seed in 1...count {
        await Task.yield()
        var random = Seeded(seed)
        do {
            try property(&random)
        } catch {
            Issue.record("seed \(seed): \(error)")
            return
        }
    }
}

/// A property does not hold.
struct Broken: Error, CustomStringConvertible {
    let description: String
}

func hold(_ condition: Bool, _ what: @autoclosure () -> String) throws {
    if !condition { throw Broken(description: what()) }
}

extension Seeded {
    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
    mutating func pick<Choices: Collection>(_ choices: Choices) -> Choices.Element {
        choices.randomElement(using: &self)!
    }

    /// Bytes in pieces as a pipe may give them.
    mutating func pieces(of bytes: [UInt8], upTo size: Int = 40) -> [ArraySlice<UInt8>] {
        var pieces: [ArraySlice<UInt8>] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(below(size + 1))
            pieces.append(piece)
            rest = rest.dropFirst(piece.count)
        }
        return pieces
    }
}
