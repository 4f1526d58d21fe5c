internal import ArgumentParser
internal import Leat
internal import LeatCommands

/// `leat init FILE`: a pipeline file to begin with.
struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Writes a pipeline file to begin with.",
        discussion: "It runs as it is, and its comments explain its keys. A file that is there is left alone.")

    @Argument(help: "The file.")
    var file = "pipeline.yaml"

    func run() async throws {
        try NewFile.write(Array(Starter.text(for: printable(file)).utf8), to: file)
        StandardError.write(
            "Wrote \(printable(file)). See what it promises: leat validate \(printable(file)); run it: leat run \(printable(file))"
        )
    }
}
