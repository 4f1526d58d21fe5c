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
    /// The pipeline; if it has parameters, with their default values.
    static var pipeline: Pipeline { get throws }

    /// The same with the values that `--param` gives, and those of the run that is resumed. Every name that
    /// ``pipeline`` has is there, and no other.
    static func pipeline(with parameters: Parameters) throws -> Pipeline
}

extension PipelineProgram {
    /// The pipeline without parameters.
    public static func pipeline(with parameters: Parameters) throws -> Pipeline { try pipeline }

    /// The command line. It ends the process with a status that `--help` lists.
    @concurrent
    public static func main() async { await CommandRunner.main(ProgramCommand<Self>.self) }

    /// The same, with something of yours between the program and its store: for a test that kills the program's processes
    /// and holds what they have told a log (`OracleLog` of `LeatTesting`) against what the database shows.
    ///
    /// ```swift
    /// await Squares.main { store in
    ///     let log = ProcessInfo.processInfo.environment["SQUARES_LOG"]
    ///     return try log.map { try OracleLog(path: $0).observing(store) } ?? store
    /// }
    /// ```
    ///
    /// - Parameter standingBetween: is given each store that a process of the program opens, and returns what is used in
    ///   its place. What it throws ends the process as a store that can't be opened does.
    @concurrent
    public static func main(
        standingBetween: @escaping @Sendable (any Store) throws -> any Store
    ) async {
        StoreWrapping.set(standingBetween)
        await main()
    }
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

/// What the run is about.
struct ParameterOptions: ParsableArguments {
    @Option(
        name: .customLong("param"),
        help: ArgumentHelp(
            "A parameter of the run; once a name. A run that is resumed has those that it began with.",
            valueName: "name=value"))
    var parameters: [String] = []

    /// The values by their names.
    func values() throws -> [String: String] { try parameterValues(parameters) }

    /// The program's pipeline with these values, and for the others those of the run that is stored.
    func pipeline<Program: PipelineProgram>(
        of program: Program.Type, _ defaults: Pipeline, on store: any Store
    ) async throws -> Pipeline {
        let stored = try await store.plan()
        let isResumed = stored?.pipeline == defaults.name
        let known =
            isResumed ? stored?.parameters.values.filter { defaults.plan.parameters.values[$0.key] != nil } : nil
        let parameters = try defaults.plan.parameters.changed(to: known ?? [:]).changed(to: values())
        return parameters == defaults.plan.parameters ? defaults : try Program.pipeline(with: parameters)
    }
}

/// What `--param name=value` has given, by name.
func parameterValues(_ options: [String]) throws -> [String: String] {
    var values: [String: String] = [:]
    for parameter in options {
        guard let sign = parameter.firstIndex(of: "="), sign > parameter.startIndex else {
            throw LeatError(
                .refused, "--param \(printable(parameter)) is no name=value, as in --param day=2026-11-01.")
        }
        let name = String(parameter[..<sign])
        guard values.updateValue(String(parameter[parameter.index(after: sign)...]), forKey: name) == nil else {
            throw LeatError(.refused, "--param names '\(printable(name))' twice; name each once.")
        }
    }
    return values
}

/// How a run and its workers open the database.
struct OpeningOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How many seconds a worker may be silent before what it holds is handed to others.",
            valueName: "seconds"))
    var lease: Double = 15
    @Option(
        help: ArgumentHelp(
            "How many MiB of the disk are kept for the acknowledgements of what has been begun: with less free, no new work is begun (default: 64, or an eighth of a small file system).",
            valueName: "mebibytes"))
    var keepFree: Int64?

    func validate() throws {
        guard lease >= 0.1, lease <= 86_400 else {
            throw ValidationError("a lease is between 0.1 seconds and a day")
        }
        guard keepFree.map({ (0...1 << 30).contains($0) }) ?? true else {
            throw ValidationError("--keep-free is a number of MiB from 0 to 1,073,741,824")
        }
    }

    var duration: Duration { .milliseconds(Int64(lease * 1000)) }

    /// The same for the workers of a run.
    var arguments: [String] { ["--lease", "\(lease)"] + (keepFree.map { ["--keep-free", "\($0)"] } ?? []) }

    func open(_ path: String, creating: Bool) async throws -> OpenStore {
        try await OpenStore.open(
            path, creating: creating, lease: duration, bytesKeptFree: keepFree.map { $0 << 20 })
    }
}
