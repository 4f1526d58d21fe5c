internal import ArgumentParser
public import Leat

/// A program that is a pipeline: it declares its stages, and gets its command line.
///
/// ```swift
/// @main struct Squares: PipelineProgram {
///     static var pipeline: Pipeline {
///         get throws {
///             try Pipeline("squares") {
///                 Producer("numbers", to: "n", repeating: { 1...1000 })
///                 Transformer("square", from: "n", to: "squares") { (n: Int) in n * n }
///                 Consumer("print", from: "squares") { (square: Int) in print(square) }
///             }
///         }
///     }
/// }
/// ```
///
/// `squares run` runs each stage as processes of this same executable, and
/// resumes what an earlier run has left; `squares worker STAGE` runs one worker;
/// `squares status` and `squares verify` look at the database.
///
/// - Important: The pipeline is made anew in every process, so it must not depend on anything that another process
///   does not see.
public protocol PipelineProgram: Sendable {
    static var pipeline: Pipeline { get throws }
}

extension PipelineProgram {
    /// The command line. It ends the process with a status that `--help` lists.
    @concurrent
    public static func main() async { await CommandRunner.main(ProgramCommand<Self>.self) }
}

struct ProgramCommand<Program: PipelineProgram>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: programName(),
            abstract: "Runs a pipeline of processes over a database, and resumes it.",
            discussion: CommandStatus.help,
            subcommands: [
                RunCommand<Program>.self, WorkerCommand<Program>.self, ProgramStatusCommand<Program>.self,
                ProgramVerifyCommand<Program>.self,
            ])
    }

    static var _errorLabel: String { "error" }
}

/// The last part of the name that the program was called by.
private func programName() -> String {
    let name = CommandLine.arguments.first ?? ""
    return name.split(separator: "/").last.map(String.init) ?? "pipeline"
}

/// Which database a pipeline program works on.
struct DatabaseOptions: ParsableArguments {
    @Option(name: .customLong("db"), help: "The database (default: the pipeline's name with .db, in this folder).")
    var path: String?

    func path(for pipeline: Pipeline) -> String { path ?? "\(pipeline.name).db" }
}

struct LeaseOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How many seconds a worker may be silent before what it holds is handed to others.",
            valueName: "seconds"))
    var lease: Double = 15

    func validate() throws {
        guard lease >= 0.1, lease <= 86_400 else {
            throw ValidationError("a lease is between 0.1 seconds and a day")
        }
    }

    var duration: Duration { .milliseconds(Int64(lease * 1000)) }
}
