internal import ArgumentParser
internal import Leat

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// What an order did, for programs.
struct OrderLine: Encodable, Sendable {
    let order: String
    let stage: StageName
    var item: Int64?
    /// How the stage stands after it.
    var state: StageState?
    /// How many items it changed.
    var items: Int?
}

/// Prints what an order did.
func report(_ line: OrderLine, _ sentence: String, _ format: OutputFormat) throws {
    try StandardOutput.write(format == .json ? try jsonLine(line) : sentence)
}

/// Who gives the order, for the database's events.
func orderer(_ command: String) -> String {
    "leat \(command) by \(printable(environmentValue("USER") ?? "user \(getuid())"))"
}
