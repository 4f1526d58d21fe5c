internal import ArgumentParser
internal import LeatCLI

/// A command line is a command, or is refused with a sentence.
func fuzzArguments(_ bytes: [UInt8]) {
    // As the kernel gives them: nothing that holds a NUL.
    let arguments = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).prefix(32)
        .map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    do {
        _ = try LeatTool.parseAsRoot(Array(arguments))
    } catch {
        require(isSafeToShow(LeatTool.answer(to: error)), "a refusal shows control characters")
    }
}
