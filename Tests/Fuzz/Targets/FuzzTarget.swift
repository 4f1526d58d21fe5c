/// What is given arbitrary bytes: each target takes them, and traps where something does not hold that must.
///
/// The fuzzer looks for bytes that trap (`make fuzz`); what it has found is kept in `Tests/Fuzz/Corpus/NAME`, and given to
/// the same function by every run of the tests.
package enum FuzzTarget: String, CaseIterable, Sendable {
    /// What a command writes: lines, JSON, the messages of mode `ack`, envelopes, answers.
    case `protocol`
    /// A pipeline file.
    case file
    /// A command line, an argument a line. It is parsed, and nothing is run.
    case arguments
    /// Changes of a database and its log, which is then opened, looked at and claimed from.
    case database

    package func callAsFunction(_ bytes: [UInt8]) async {
        switch self {
        case .protocol: fuzzProtocol(bytes)
        case .file: fuzzFile(bytes)
        case .arguments: fuzzArguments(bytes)
        case .database: await fuzzDatabase(bytes)
        }
    }
}

/// Traps, with what it was about, in optimised builds too.
func require(_ holds: Bool, _ what: @autoclosure () -> String) {
    if !holds { fatalError(what()) }
}

/// Whether a sentence could give a terminal an order. Ends of lines and tabs are the layout of what a tool prints.
func isSafeToShow(_ text: String) -> Bool {
    !text.unicodeScalars.contains { scalar in
        switch scalar.value {
        case 0x09, 0x0A: false
        case 0..<0x20, 0x7F..<0xA0, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
