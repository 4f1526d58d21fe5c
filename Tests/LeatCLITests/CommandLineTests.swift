import ArgumentParser
import Leat
import LeatSQLite
import Testing

@testable import LeatCLI

private struct Squares: PipelineProgram {
    static var pipeline: Pipeline {
        get throws {
            try Pipeline("squares") {
                Producer("numbers", to: "n", repeating: { 1...3 })
                Transformer("square", from: "n", to: "squares") { (n: Int) in n * n }
                Consumer("total", whenClosed: "squares") { (all: [Int]) in }
            }
        }
    }
}

@Suite("the command line")
struct CommandLineTests {
    private let folder = TemporaryFolder()

    private func leat(_ arguments: String...) async -> CommandRunner.Ending {
        await CommandRunner.run(LeatTool.self, arguments: arguments)
    }

    private func squares(_ arguments: String...) async -> CommandRunner.Ending {
        await CommandRunner.run(ProgramCommand<Squares>.self, arguments: arguments)
    }

    @Test("lists every exit status in --help", arguments: [[], ["run"], ["worker"]])
    func help(command: [String]) async throws {
        let program = await CommandRunner.run(ProgramCommand<Squares>.self, arguments: command + ["--help"])
        let tool = await leat("--help")

        for ending in [program, tool] {
            #expect(ending.status == 0)
            let text = try #require(ending.output)
            for status in CommandStatus.allCases { #expect(text.contains("\(status.rawValue)  \(status.meaning)")) }
        }
    }

    @Test("names the commands in --help, and hides what is between a supervisor and its workers")
    func commands() async throws {
        let program = try #require(await squares("--help").output)
        let tool = try #require(await leat("--help").output)
        let worker = try #require(await squares("worker", "--help").output)

        for name in ["run", "worker", "status", "verify"] { #expect(program.contains("\n  \(name) ")) }
        for name in ["status", "verify", "peek", "dead", "attempts", "retry", "skip", "restart"] {
            #expect(tool.contains("\n  \(name) "))
        }
        #expect(!worker.contains("--supervisor") && !worker.contains("--log") && !worker.contains("--limit"))
        for option in ["--until", "--from", "--only", "--limit", "--chaos"] {
            #expect(try #require(await squares("run", "--help").output).contains(option))
        }
    }

    @Test(
        "refuses wrong usage with status 2 and an error that begins in lower case",
        arguments: [
            ["frob"], ["run", "--workers", "square"], ["run", "--workers", "square=0"], ["run", "--format", "xml"],
            ["run", "--lease", "0"], ["run", "--limit", "0"], ["run", "--chaos", "kill=60%"],
            ["run", "--only", "square", "--until", "square"],
            ["worker"], ["status", "--frob"],
        ])
    func usage(arguments: [String]) async throws {
        let ending = await CommandRunner.run(ProgramCommand<Squares>.self, arguments: arguments)

        #expect(ending.status == 2)
        #expect(try #require(ending.error).hasPrefix("error: "))
    }

    @Test(
        "refuses a number of workers that can't be, and makes no database for it",
        arguments: [
            (["square=0"], "can't have 0 workers"), (["square=1001"], "can't have 1001 workers"),
            (["square=2", "square=3"], "names stage 'square' twice"), (["cube=2"], "has no stage 'cube'"),
        ])
    func workerCounts(counts: [String], words: String) async throws {
        let path = folder.path("none.db")

        let arguments = ["run", "--db", path] + counts.flatMap { ["--workers", $0] }
        let ending = await CommandRunner.run(ProgramCommand<Squares>.self, arguments: arguments)

        #expect(ending.status == 2)
        #expect(try #require(ending.error).contains(words))
        #expect(!folder.has("none.db"))
    }

    @Test("looks at no other pipeline's database as if it were its own", arguments: ["status", "verify"])
    func otherPipeline(command: String) async throws {
        let path = folder.path("other.db")
        do {
            let store = try await SQLiteStore.open(path)
            try await store.install(
                try Plan(
                    pipeline: "cubes",
                    stages: [
                        StageSpec("make", kind: .producer, outputs: ["n"]),
                        StageSpec("use", kind: .consumer, input: "n"),
                    ]))
        }

        let ending = await squares(command, "--db", path)

        #expect(ending.status == 2)
        #expect(try #require(ending.error).contains("holds pipeline 'cubes', not 'squares'"))
        #expect(await leat(command, path).status == 0)
    }

    @Test("peeks into a queue that is there, for a state that there is")
    func peek() async throws {
        let path = folder.path("p.db")
        do { try await SQLiteStore.open(path).install(try Squares.pipeline.plan) }

        #expect(await leat("peek", path, "squares", "--state", "dead", "--after", "7").status == 0)
        #expect(await leat("peek", path, "squares", "--state", "lost").status == 2)
        let ending = await leat("peek", path, "cubes")
        #expect(ending.status == 2)
        #expect(ending.error == "error: Pipeline 'squares' has no queue 'cubes'; its queues are n, squares.")
    }

    @Test("lists the attempts of a stage's item, and of no item without its stage")
    func attempts() async throws {
        let path = folder.path("p.db")
        do { try await SQLiteStore.open(path).install(try Squares.pipeline.plan) }

        #expect(await leat("attempts", path, "--stage", "square", "--item", "1").status == 0)
        for wrong in [["--item", "1"], ["--limit", "0"], ["--stage", "cube"]] {
            let ending = await CommandRunner.run(LeatTool.self, arguments: ["attempts", path] + wrong)
            #expect(ending.status == 2, "\(wrong)")
        }
    }

    @Test("has nothing to retry for a stage without an input")
    func retryProducer() async throws {
        let path = folder.path("p.db")
        do { try await SQLiteStore.open(path).install(try Squares.pipeline.plan) }

        let ending = await leat("retry", path, "numbers")

        #expect(ending.status == 2)
        #expect(try #require(ending.error).contains("has no input"))
    }

    @Test("lists the stages when there is none of that name, and makes no database for it")
    func unknownStage() async {
        let path = folder.path("none.db")

        let ending = await squares("worker", "cube", "--db", path)

        #expect(ending.status == 2)
        #expect(
            ending.error == "error: Pipeline 'squares' has no stage 'cube'; its stages are numbers, square, total.")
        #expect(!folder.has("none.db"))
    }

    @Test("refuses more than one worker for a stage that does all at once")
    func wholeInput() async {
        let ending = await squares("run", "--quiet", "--db", folder.path("x.db"), "--workers", "total=2")

        #expect(ending.status == 2)
        #expect(ending.error?.contains("leave out --workers total=2") == true)
    }

    @Test(
        "of leat never makes a database that isn't there",
        arguments: [
            ["status"], ["verify"], ["dead"], ["retry", "square"], ["skip", "square", "--item", "1"],
            ["restart", "square"],
        ])
    func missing(command: [String]) async throws {
        var arguments = command
        arguments.insert(folder.path("none.db"), at: 1)

        let ending = await CommandRunner.run(LeatTool.self, arguments: arguments)

        #expect(ending.status == 2)
        #expect(try #require(ending.error).contains("no database"))
        #expect(!folder.has("none.db") && !folder.has("none.db-leat"))
    }

    @Test("shows text from outside escaped in an error")
    func escaping() async {
        let ending = await squares("worker", "\u{1B}[31mcube", "--db", folder.path("none.db"))

        #expect(ending.error?.contains("\\u{1b}[31mcube") == true)
    }
}

@Suite("leat on a database")
struct OperatorTests {
    private let folder = TemporaryFolder()

    /// A database with the pipeline in it, and nothing done.
    private func database() async throws -> (String, SQLiteStore) {
        let path = folder.path("squares.db")
        let store = try await SQLiteStore.open(path)
        try await store.install(try Squares.pipeline.plan)
        return (path, store)
    }

    @Test("reports how it stands")
    func status() async throws {
        let (path, _) = try await database()

        let (database, plan) = try await OpenStore.existing(path)
        let report = try await StatusReport(of: database, plan)

        #expect(report.state == "ready")
        #expect(report.supervisor == nil)
        #expect(report.stages.map(\.stage) == ["numbers", "square", "total"])
        #expect(report.text.hasPrefix("squares: ready\n"))
        #expect(report.text.hasSuffix("No worker has been started yet."))
    }

    @Test("tells who runs it, its live workers, and where their logs are")
    func running() async throws {
        let (path, store) = try await database()
        _ = try await store.enroll(Enrollment(stage: "square", pid: 4711, log: "/tmp/square-1.log"))
        let lock = try #require(try FileLock.tryLock(path: path + "-leat/run"))
        lock.sign()

        let (database, plan) = try await OpenStore.existing(path)
        let report = try await StatusReport(of: database, plan)

        #expect(report.state == "running")
        #expect(report.supervisor != nil)
        #expect(report.workers.map(\.pid) == [4711])
        #expect(report.text.contains("/tmp/square-1.log"))
    }

    @Test("verifies a database that balances with status 0")
    func verify() async throws {
        let (path, _) = try await database()

        let ending = await CommandRunner.run(LeatTool.self, arguments: ["verify", path, "--format", "json"])

        #expect(ending.status == 0)
    }

    @Test("restarts a stage, and refuses to skip an item that isn't there")
    func orders() async throws {
        let (path, _) = try await database()

        let restart = await CommandRunner.run(LeatTool.self, arguments: ["restart", path, "square"])
        let retry = await CommandRunner.run(LeatTool.self, arguments: ["retry", path, "square"])
        let skip = await CommandRunner.run(LeatTool.self, arguments: ["skip", path, "square", "--item", "9"])

        #expect(restart.status == 0)
        #expect(retry.status == 0)
        #expect(skip.status == 2)
        #expect(skip.error?.hasPrefix("error: ") == true)
    }
}
