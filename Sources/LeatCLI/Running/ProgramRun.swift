internal import Dispatch
internal import Leat
internal import LeatProcess
internal import LeatSupervisor
internal import Logging
internal import Synchronization
internal import UnixSignals

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// `run`: this executable's pipeline as processes of this executable.
struct ProgramRun: Sendable {
    private let pipeline: Pipeline
    private let selection: Selection
    private let chaos: Chaos?
    private let database: OpenStore
    private let display: RunDisplay
    private let supervisor: Supervisor
    private let logger: Logger

    /// - Parameters:
    ///   - selection: the part of the pipeline that it works on.
    ///   - chaos: which of its workers it kills on the way, if any.
    ///   - opening: options of how the database is opened, handed on to the workers.
    ///   - worker: the arguments that make this executable a worker of a stage.
    ///   - prepare: called once no other run can have the database, before anything is changed.
    /// - Throws: ``LeatError`` when this executable's own path can't be found.
    init(
        pipeline: Pipeline, database: OpenStore, workers: [StageName: Int], selection: Selection = Selection(),
        chaos: Chaos? = nil, opening: [String] = [], display: RunDisplay,
        worker: @escaping @Sendable (StageName) -> [String] = { ["worker", $0.rawValue] },
        prepare: @escaping @Sendable () async throws -> Void = {}
    ) throws {
        self.pipeline = pipeline
        self.selection = selection
        self.chaos = chaos
        self.database = database
        self.display = display
        logger = ConsoleLog.logger("leat.run", level: display.isQuiet ? .error : .notice, through: display.screen)
        var options = Supervisor.Options()
        options.workers = workers
        options.stages = selection.stages
        options.limit = selection.limit.map(ProducerLimit.init)
        options.chaos = chaos
        options.interval = display.interval
        options.who = orderer("run")
        let executable = try executablePath()
        supervisor = Supervisor(
            store: database.store, plan: pipeline.plan, lockPath: database.runLock, options: options, logger: logger,
            prepare: prepare, check: { try database.checkPlace() },
            command: { slot in
                let log = database.log(of: slot)
                return ChildCommand(
                    executable,
                    worker(slot.stage) + [
                        "--db", database.path, "--supervisor", "\(getpid())", "--log", log,
                    ] + opening + (selection.limit.map { ["--limit", "\($0)"] } ?? []), log: log)
            },
            observe: { [room = RoomWatch(database.shortage, logger)] in
                room.look()
                await display.show($0)
            })
    }

    func run() async throws -> CommandStatus {
        if let chaos {
            say("each second each worker is killed with a chance of \(chaos.chance); again by --chaos \(chaos)")
        }
        let signal = try await runUntilSignalled(supervisor, by: .endings, logger: logger) { again in
            supervisor.stop()
            // The workers are killed by now. What can't be written down, because a program holds the lock, the next run
            // finds.
            DispatchQueue(label: "leat.run.end").asyncAfter(deadline: .now() + 5) {
                StandardError.write(
                    "the workers are ended, but that could not be written down within 5 s; the same command resumes")
                exitNow(CommandStatus(of: again).rawValue)
            }
        }
        guard let outcome = supervisor.outcome else {
            throw LeatError(.storeFailed, "The run ended without an outcome; look at its log and run it again.")
        }
        do {
            try await database.checkpoint()
        } catch {
            // What the log holds is as durable; only who copies the file must copy its -wal too.
            logger.warning("The log was not copied into the database: \(printable("\(error)"))")
        }
        let status = await conclude(outcome, signal)
        if chaos != nil { say("chaos killed \(outcome.killed) \(outcome.killed == 1 ? "worker" : "workers")") }
        return status
    }

    private func conclude(_ outcome: Supervisor.Outcome, _ signal: UnixSignal?) async -> CommandStatus {
        switch selection.verdict(on: outcome.stages, of: pipeline.plan, spent: outcome.spent) {
        case .over(let end) where !outcome.isInterrupted || end == .complete || end == .completeWithErrors:
            await display.end(outcome.stages, end.word, CommandStatus(of: end))
            for remark in selection.remarks(on: outcome.stages, spent: outcome.spent, end) { say(remark) }
            return CommandStatus(of: end)
        case .over, .goingOn:
            let status = outcome.isInterrupted ? CommandStatus(of: signal) : .waiting
            await display.end(outcome.stages, outcome.isInterrupted ? "interrupted" : "waiting", status)
            return status
        }
    }

    private func say(_ sentence: String) { if !display.isQuiet { StandardError.write(sentence) } }
}

/// Says when no new work is begun for want of room, and when it is again: a run that waits looks like one that hangs.
private final class RoomWatch: Sendable {
    private let shortage: @Sendable () -> String?
    private let logger: Logger
    private let isShort = Mutex(false)

    init(_ shortage: @escaping @Sendable () -> String?, _ logger: Logger) {
        self.shortage = shortage
        self.logger = logger
    }

    func look() {
        let shortage = shortage()
        let isNews = isShort.withLock { isShort in
            defer { isShort = shortage != nil }
            return isShort != (shortage != nil)
        }
        guard isNews else { return }
        logger.warning("\(shortage ?? "There is room again, and the work goes on.")")
    }
}
