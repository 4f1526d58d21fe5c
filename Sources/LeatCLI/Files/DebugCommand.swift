internal import ArgumentParser
internal import Leat
internal import LeatCommands

/// `leat debug DB ITEM`: runs a stage's command on one item, here and now.
struct DebugCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "debug",
        abstract: "Runs a stage's command on one item in this terminal, and commits nothing.",
        discussion: """
            The command gets the same input, environment, folder and limits as from a worker; what it writes to standard \
            output and standard error is shown, on a terminal with control characters escaped. Its exit status is this command's. The item stays as it is: in \
            the database nothing changes, but what the command does outside, it does.

            ITEM is STAGE/NUMBER or QUEUE/NUMBER, as 'leat dead' and 'leat peek' show them: leat debug flights.db load/4711
            """)

    @OptionGroup var database: DatabaseArgument
    @Argument(help: "The item: the stage that takes it, or its queue, and its number, as in load/4711.")
    var item: String
    @Option(help: "The pipeline file, if not the one that the database was last run from.")
    var file: String?

    func run() async throws {
        let (database, plan) = try await OpenStore.existing(database.db)
        let (stage, id) = try ItemPath.parse(item, in: plan)
        let trial = try await ItemTrial(database, plan, stage: stage, file: file)
        throw ExitCode(try await trial.run(id))
    }
}

/// An item as people name it: `load/4711`.
enum ItemPath {
    /// - Throws: ``Leat/LeatError`` for what is no name and number, or names nothing.
    static func parse(_ text: String, in plan: Plan) throws -> (StageSpec, ItemID) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let number = Int64(parts[1]), number > 0 else {
            throw LeatError(
                .refused,
                "'\(printable(text))' names no item; give the stage or the queue and its number, as in load/4711.")
        }
        let name = String(parts[0])
        let stage =
            plan.stages.first { $0.name.rawValue == name && $0.input != nil }
            ?? plan.stages.first { $0.input?.rawValue == name }
        guard let stage else {
            let names = plan.stages.filter { $0.input != nil }.map(\.name.rawValue).joined(separator: ", ")
            throw LeatError(
                .notFound, "There is no stage or queue '\(printable(name))' with items; the stages are \(names).")
        }
        return (stage, ItemID(number))
    }
}
