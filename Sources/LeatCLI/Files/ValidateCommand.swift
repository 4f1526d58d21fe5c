internal import ArgumentParser
internal import Leat
internal import LeatCommands

/// `leat validate FILE`: reads a pipeline file, and says what it promises.
struct ValidateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate", abstract: "Checks a pipeline file, and says what each of its stages promises.",
        discussion:
            "Nothing is run or made. An error names the line, what was found there and what is allowed (status 2).")

    @Argument(help: "The pipeline file.")
    var file: String
    @Option(
        name: .customLong("param"),
        help: ArgumentHelp("A parameter of the run, to see whether it may be given.", valueName: "name=value"))
    var parameters: [String] = []
    @Option(help: "Print the stages and queues as a picture instead: as text, or for Mermaid or Graphviz.")
    var graph: PipelineGraph.Format?
    @OptionGroup var output: FormatOptions

    func validate() throws {
        guard graph == nil || output.format == .table else {
            throw ValidationError("--graph prints a picture, which has no --format")
        }
    }

    func run() async throws {
        let pipeline = try PipelineFile.read(file)
        let values = try parameterValues(parameters)
        let plan = try pipeline.plan(parameters: pipeline.parameters(with: values, isComplete: false))
        let report = FileReport(pipeline, plan)
        switch (graph, output.format) {
        case (let graph?, _): try StandardOutput.write(PipelineGraph(pipeline, plan).text(as: graph))
        case (nil, .json): try StandardOutput.write(try jsonLine(report))
        case (nil, .table): try StandardOutput.write(report.text)
        }
    }
}

extension PipelineGraph.Format: ExpressibleByArgument {}
