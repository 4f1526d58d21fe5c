import Foundation
import Leat
import LeatProcess
import LeatSQLite
import LeatSupervisor
import Synchronization
import Testing

@testable import LeatCLI

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Runs over a real database, with the shell in the place of the workers.
@Suite("a supervised run", .timeLimit(.minutes(1)))
struct SupervisedRunTests {
    private let folder = TemporaryFolder()
    private var path: String { folder.path("run.db") }

    private func plan() throws -> Plan {
        let policy = StagePolicy(retry: RetryPolicy(kills: 1), crashes: 2)
        return try Plan(
            pipeline: "run",
            stages: [
                StageSpec("make", kind: .producer, outputs: ["n"], policy: policy),
                StageSpec("use", kind: .consumer, input: "n", policy: policy),
            ])
    }

    private func supervisor(
        _ database: OpenStore, _ script: String, check: @escaping @Sendable () throws -> Void = {},
        observe: @escaping @Sendable ([StageStatus]) async -> Void = { _ in }
    ) throws -> Supervisor {
        var options = Supervisor.Options()
        options.interval = .milliseconds(20)
        return Supervisor(
            store: database.store, plan: try plan(), lockPath: database.runLock, options: options, check: check,
            command: { slot in
                ChildCommand("/bin/sh", ["-c", script], log: database.folder + "/logs/\(slot).log")
            },
            observe: observe)
    }

    @Test("is not charged for the dead of an earlier run")
    func earlierDead() async throws {
        do {
            let earlier = try await SQLiteStore.open(path)
            try await earlier.install(try plan())
            let worker = try await earlier.enroll(Enrollment(stage: "make", pid: 4711, supervisor: 4710))
            _ = try await earlier.open(ShardID("make"), by: worker)
        }
        let database = try await OpenStore.open(path, creating: false)
        let (looks, sender) = AsyncStream.makeStream(of: Void.self)
        let supervisor = try supervisor(database, "exec sleep 1000", observe: { _ in sender.yield() })
        let run = Task { try await supervisor.run() }

        for await _ in looks { break }
        supervisor.stop()
        try await run.value

        #expect(try await database.store.workers().first?.ending == "killed")
        #expect(supervisor.outcome?.isInterrupted == true)
        #expect(supervisor.outcome?.stages.contains { $0.state == .failed } == false)
    }

    @Test("counts workers that are killed before they have enrolled against their stage, and so comes to an end")
    func killedEarly() async throws {
        let database = try await OpenStore.open(path, creating: true)
        let supervisor = try supervisor(database, "kill -9 $$")

        try await supervisor.run()

        #expect(supervisor.outcome?.stages.first { $0.stage == "make" }?.state == .failed)
    }

    @Test("ends with an error when its database is deleted")
    func deleted() async throws {
        let database = try await OpenStore.open(path, creating: true)
        let (looks, sender) = AsyncStream.makeStream(of: Void.self)
        let supervisor = try supervisor(
            database, "exec sleep 1000", check: { try database.checkPlace() }, observe: { _ in sender.yield() })
        let run = Task { try await supervisor.run() }

        for await _ in looks { break }
        try FileManager.default.removeItem(atPath: path)

        let error = await #expect(throws: LeatError.self) { try await run.value }
        #expect(error.map { CommandStatus(of: $0) } == .internalError)
        #expect(error?.message.contains("replaced or deleted") == true)
    }

    @Test("ends with the same error when a worker finds the database damaged, and starts no other")
    func damaged() async throws {
        let database = try await OpenStore.open(path, creating: true)
        let begun = folder.path("begun")
        let supervisor = try supervisor(database, "echo >> '\(begun)'; exit \(ReservedStatus.damageFound)")

        let error = await #expect(throws: LeatError.self) { try await supervisor.run() }

        #expect(error.map { CommandStatus(of: $0) } == .damaged)
        #expect(error?.message.contains("found the database damaged") == true)
        // One of each stage at most.
        #expect(try String(contentsOfFile: begun, encoding: .utf8).count <= 2)
    }

    @Test("charges a stage whose function ends its process by the status of a damaged database")
    func functionsOwnStatus() async throws {
        let database = try await OpenStore.open(path, creating: true)
        let supervisor = try supervisor(database, "exit \(ReservedStatus.damaged)")

        try await supervisor.run()

        let make = try #require(supervisor.outcome?.stages.first { $0.stage == "make" })
        #expect(make.state == .failed)
        #expect(make.reason?.contains("status 74") == true)
    }

    @Test("suspects no worker that it ended because of an error of the store")
    func ownError() async throws {
        let database = try await OpenStore.open(path, creating: true)
        let (looks, sender) = AsyncStream.makeStream(of: Void.self)
        let isArmed = Mutex(false)
        let supervisor = try supervisor(
            database, "echo $$; exec sleep 1000",
            check: {
                let isDue = isArmed.withLock { armed in
                    defer { armed = false }
                    return armed
                }
                if isDue { throw LeatError(.storeFailed, "Broken.") }
            }, observe: { _ in sender.yield() })
        let run = Task { try await supervisor.run() }
        var pid: Int32?
        for await _ in looks {
            let log = try? String(contentsOfFile: database.folder + "/logs/make-1.log", encoding: .utf8)
            guard let log, log.hasSuffix("\n") else { continue }
            pid = Int32(log.dropLast())
            break
        }
        let worker = try await database.store.enroll(
            Enrollment(stage: "make", pid: try #require(pid), supervisor: getpid()))

        isArmed.withLock { $0 = true }

        await #expect(throws: LeatError.self) { try await run.value }
        #expect(try await database.store.workers().first { $0.id == worker }?.ending == "stopped")
    }

    @Test("writes nothing more, not even how its workers ended, once one of them has found damage")
    func silence() async throws {
        let database = try await OpenStore.open(path, creating: true)
        let (looks, sender) = AsyncStream.makeStream(of: Void.self)
        let armed = folder.path("armed")
        // The first works on and on; the other finds damage when it is told to.
        let supervisor = try supervisor(
            database,
            """
            if mkdir '\(folder.path("first"))' 2>&-; then echo $$; exec sleep 1000; fi
            until test -e '\(armed)'; do sleep 0.01; done
            exit \(ReservedStatus.damageFound)
            """, observe: { _ in sender.yield() })
        let run = Task { try await supervisor.run() }
        var first: (stage: StageName, pid: Int32)?
        for await _ in looks {
            for stage in ["make", "use"] as [StageName] {
                let log = try? String(contentsOfFile: database.folder + "/logs/\(stage)-1.log", encoding: .utf8)
                if let log, log.hasSuffix("\n"), let pid = Int32(log.dropLast()) { first = (stage, pid) }
            }
            if first != nil { break }
        }
        let (stage, pid) = try #require(first)
        let worker = try await database.store.enroll(Enrollment(stage: stage, pid: pid, supervisor: getpid()))

        try Data().write(to: URL(fileURLWithPath: armed))

        let error = await #expect(throws: LeatError.self) { try await run.value }
        #expect(error?.code == .damaged)
        let row = try #require(try await database.store.workers().first { $0.id == worker })
        #expect(row.ending == nil)
    }

    @Test("tells, when a stage is restarted, who starts its workers")
    func restart() {
        #expect(
            RestartCommand.reply("use", was: .failed, is: .ready, isRunning: true).contains(
                "the run starts its workers again"))
        #expect(
            RestartCommand.reply("use", was: .failed, is: .ready, isRunning: false)
                == "stage use may go on: run the pipeline again")
        #expect(
            RestartCommand.reply("use", was: .complete, is: .complete, isRunning: false)
                .contains("had not failed (complete)"))
        #expect(RestartCommand.reply("use", was: .failed, is: .failed, isRunning: false).contains("retry or skip"))
    }

    @Test("does not let a supervised worker make a database")
    func noDatabase() async throws {
        await #expect(throws: LeatError.self) { try await OpenStore.open(path, creating: false) }
        #expect(!folder.has("run.db"))
    }
}

#if os(macOS) || os(Linux)
@Suite("a worker's lifeline", .timeLimit(.minutes(1)))
struct WorkerLifelineTests {
    @Test("ends the process while nothing is open yet")
    func early() async {
        await #expect(processExitsWith: .exitCode(143)) {
            var ends: [Int32] = [-1, -1]
            _ = pipe(&ends)
            dup2(ends[0], STDIN_FILENO)
            _ = WorkerLifeline.watch()
            close(ends[0])
            close(ends[1])
            while true { usleep(1_000_000) }
        }
    }

    @Test("asks the worker to stop, then ends it in the store, and then the process")
    func handingBack() async throws {
        await #expect(processExitsWith: .exitCode(143)) {
            let path = FileManager.default.temporaryDirectory.appendingPathComponent("leat-\(UUID().uuidString).db")
                .path
            let store = try await SQLiteStore.open(path)
            try await store.install(
                try Plan(
                    pipeline: "p",
                    stages: [
                        StageSpec("make", kind: .producer, outputs: ["n"]),
                        StageSpec("use", kind: .consumer, input: "n"),
                    ]))
            let worker = try await store.enroll(Enrollment(stage: "use", pid: getpid()))
            var ends: [Int32] = [-1, -1]
            _ = pipe(&ends)
            dup2(ends[0], STDIN_FILENO)
            let lifeline = WorkerLifeline.watch()
            lifeline.handBack(on: store) {
                // It is still live when it is asked.
                let isLive = (try? store.beat(worker)) == .alive
                if !isLive { exitNow(1) }
            }
            close(ends[0])
            close(ends[1])
            while true { usleep(1_000_000) }
        }
    }
}
#endif
