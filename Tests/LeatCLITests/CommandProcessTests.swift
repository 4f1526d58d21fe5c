import Foundation
import Leat
import LeatProcess
import LeatSQLite
import LeatTesting
import Subprocess
import Testing
import Torture

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

#if os(Linux)
/// `leat`, its workers and their commands, as processes that are killed or asked to stop.
@Suite("The processes of a pipeline file", .serialized, .timeLimit(.minutes(Trial.isFull ? 60 : 5)))
struct CommandProcessTests {
    /// What a command may start, each of which writes its number to `pids`.
    private static let branches = [
        "sleep 600 & echo $! >> pids",
        "setsid sleep 600 & echo $! >> pids",
        "( ( sleep 600 & echo $! >> pids ) & )",
        "sh -c 'trap \"\" TERM HUP INT; echo $$ >> pids; sleep 600; sleep 600' &",
        "setsid sh -c '(sleep 600 & echo $! >> pids) & echo $$ >> pids; sleep 600' &",
        "sh -c 'echo $$ >> pids; exec sleep 600' | sh -c 'echo $$ >> pids; exec sleep 600' &",
        "sh -c 'echo $$ >> pids; kill -STOP $$; sleep 600' &",
        "nohup sh -c 'echo $$ >> pids; exec sleep 600' > nohup.out 2>&1 &",
        "setsid sh -c 'trap \"\" TERM; while :; do sleep 0.02 & echo $! >> pids; wait; done' &",
        "sh -c 'exec > /dev/null 2>&1 < /dev/null; setsid sh -c \"echo \\$\\$ >> pids; exec sleep 600\"' &",
    ]

    @Test("a closed terminal drains, as SIGTERM does, and the same command goes on")
    func hangUp() async throws {
        let scene = try LeatScene(upTo: 4, work: "read n; echo $n >> begun; sleep 1; echo $n")

        let first = try await scene.leat("run", "scene.yaml") { pid in
            try await scene.wait(for: "an item") { !scene.lines("begun").isEmpty }
            kill(pid, SIGHUP)
        }
        let attempts = try await scene.store().attempts(of: nil, item: nil, limit: 10)
        let second = try await scene.leat("run", "scene.yaml")

        #expect(first == .exited(143), "\(scene.output)")
        #expect(attempts.isEmpty, "\(attempts.map(\.error))")
        #expect(second == .exited(0), "\(scene.output)")
        #expect(scene.lines("out").sorted() == ["1", "2", "3", "4"])
    }

    @Test("a run goes on with a changed command and says so, and is refused with other queues")
    func changes() async throws {
        let scene = try LeatScene(upTo: 3, work: "read n; [ $n = 2 ] && exit 65; echo $n")
        #expect(try await scene.leat("run", "scene.yaml") == .exited(30))
        let text = scene.lines("scene.yaml").joined(separator: "\n") + "\n"

        try scene.write(text.replacing("[sh, work.sh]", with: "[cat]"), to: "scene.yaml")
        #expect(try await scene.leat("retry", "scene.db", "work") == .exited(0))
        let changed = try await scene.leat("run", "scene.yaml")
        let said = scene.output
        try scene.write(text.replacing("to: m", with: "to: k").replacing("from: m", with: "from: k"), to: "scene.yaml")
        let refused = try await scene.leat("run", "scene.yaml")

        #expect(changed == .exited(0), "\(said)")
        #expect(said.contains("stage 'work': its command was '['sh', 'work.sh']' and is '['cat']'"), "\(said)")
        #expect(
            said.contains("the 2 items that it has settled stay as they are, 1 are left for what it is now"), "\(said)")
        #expect(scene.lines("out").sorted() == ["1", "2", "3"])
        #expect(refused == .exited(2))
        #expect(scene.output.contains("stage 'work' puts into 'k' instead of 'm'"), "\(scene.output)")
        #expect(scene.output.contains("begin a new run in a new file"))
    }

    @Test("debug runs a command on one item, with its status, and commits nothing")
    func debug() async throws {
        let scene = try LeatScene(
            upTo: 3, work: "read n; echo seen $n $LEAT_ATTEMPT >&2; [ $n = 2 ] && exit 65; echo $n$n")
        #expect(try await scene.leat("run", "scene.yaml") == .exited(30))
        let before = try await scene.store().status()

        let dead = try await scene.leat("debug", "scene.db", "work/2")
        let done = try await scene.leat("debug", "scene.db", "n/3")
        let none = try await scene.leat("debug", "scene.db", "work/9")

        #expect([dead, done, none] == [.exited(65), .exited(0), .exited(2)], "\(scene.output)")
        #expect(scene.output.contains("the item would be a dead letter"))
        #expect(scene.output.contains("\n33\n"))
        #expect(scene.output.contains("the item would be done, and put: 1 into m"))
        #expect(try await scene.store().status() == before)
    }

    /// A command that grows a tree and waits, until there is a file `calm`.
    private static func tree(_ branches: some Sequence<String>) -> String {
        """
        read n
        if [ ! -e calm ]; then
            echo $$ >> pids
            echo $PPID > worker
        \(branches.joined(separator: "\n"))
            tr '\\0' '\\n' < /proc/$$/environ | grep ^LEAT_WORKER= > mark
            sleep 600
        fi
        echo $n
        """
    }

    @Test("end with a worker that is killed, whatever they have started, and the run goes on")
    func killedWorkers() async throws {
        let trial = Trial("guardian: kill -9 a worker with a command tree", ci: 10, full: 200, of: "workers")

        for number in 0..<UInt64(trial.count) { try await killWorker(trial.seed &+ number, of: trial) }

        try trial.finish(trial.count, finding: "no descendant after 3 s")
    }

    @Test("do not begin before there is a guardian that ends them")
    func startedGuardian() async throws {
        let guardian = try Guardian.start(LeatScene.program)

        await guardian.waitUntilStarted()

        let started = LeatScene.guardians(of: getpid()).filter { LeatScene.command($0).contains(guardian.mark) }
        #expect(started.count == 1)
    }

    private func killWorker(_ seed: UInt64, of trial: Trial) async throws {
        var random = SeededGenerator(seed: seed)
        let branches = Self.branches.shuffled(using: &random).prefix(3 + Int(seed % 4))
        let scene = try LeatScene(upTo: 3, work: Self.tree(branches))

        let status = try await scene.leat("run", "scene.yaml") { _ in
            try await scene.numbers(in: "pids", count: branches.count + 1)
            try await scene.numbers(in: "mark")
            let worker = try #require(try await scene.numbers(in: "worker").first)
            let mark = try #require(scene.lines("mark").first)
            #expect(try await scene.numbers(in: "pids").contains(where: LeatScene.isAlive))
            try scene.write("", to: "calm")
            kill(worker, SIGKILL)
            let left = { @Sendable in
                let told = Set(scene.lines("pids").compactMap { Int32($0) })
                return LeatScene.all.filter { told.contains($0) || LeatScene.variables(of: $0).contains(mark) }
            }
            do {
                try await scene.wait(.seconds(3), for: "the end of \(branches)") { left().isEmpty }
            } catch {
                Issue.record("seed \(seed): \(left().map(LeatScene.command)) are left")
                throw error
            }
        }

        #expect(status == .exited(0), "seed \(trial.seed): \(scene.output)")
        #expect(scene.lines("out") == ["1", "2", "3"])
        #expect(scene.processes.isEmpty)
    }

    @Test("end with the run when that is killed, and the same command resumes to the exact result")
    func killedRun() async throws {
        let scene = try LeatScene(
            upTo: 40,
            work: """
                read n
                if [ $n = 20 ] && [ ! -e calm ]; then
                    echo $PPID > worker
                    setsid sleep 600 & (trap '' TERM; sleep 600) & echo $$ > pids
                    sleep 600
                fi
                echo $n
                """, "workers: 2", isWhole: true)

        let killed = try await scene.leat("run", "scene.yaml") { run in
            try await scene.numbers(in: "pids")
            let guardians = LeatScene.guardians(of: try #require(try await scene.numbers(in: "worker").first))
            #expect(guardians.count == 1)
            kill(run, SIGKILL)
            // The worker hands back what it holds first.
            try await scene.wait(.seconds(6), for: "the end of workers and commands") { scene.processes.isEmpty }
            try await guardians.end(within: .seconds(3), in: scene)
        }
        try scene.write("", to: "calm")
        let resumed = try await scene.leat("run", "scene.yaml")

        #expect(killed == .signaled(SIGKILL))
        #expect(resumed == .exited(0), "\(scene.output)")
        #expect(scene.lines("out").compactMap { Int($0) }.sorted() == Array(1...40))
        #expect(try await scene.store().verify() == [])
        #expect(scene.processes.isEmpty)
    }

    @Test("finish what they have in hand at Ctrl-C, and begin nothing else")
    func interrupted() async throws {
        let scene = try LeatScene(
            upTo: 6,
            work: """
                read n
                echo $n >> begun
                [ $n != 3 ] || { while [ ! -e go ]; do sleep 0.02; done; sleep 1; }
                echo $n/$LEAT_ATTEMPT
                """)

        let status = try await scene.leat("run", "scene.yaml") { run in
            try await scene.numbers(in: "begun", count: 3)
            try await scene.beginning(of: "keep")
            kill(run, SIGINT)
            // The run tells all workers at once. What is in hand goes on meanwhile, longer than it takes to hear of it.
            try await scene.end(of: "keep")
            try scene.write("", to: "go")
        }

        #expect(status == .exited(130), "\(scene.output)")
        #expect(scene.processes.isEmpty)
        #expect(scene.lines("begun") == ["1", "2", "3"])
        #expect(try await scene.store().status().first { $0.stage == "work" }?.done == 3)
        #expect(try await scene.leat("run", "scene.yaml") == .exited(0), "\(scene.output)")
        // None was begun again.
        #expect(scene.lines("begun") == ["1", "2", "3", "4", "5", "6"])
        #expect(scene.lines("out") == (1...6).map { "\($0)/1" })
    }

    /// Ignores SIGTERM, and so does what it starts, until there is a file `calm`.
    private static let deaf = """
        read n
        [ -e calm ] || { trap '' TERM INT; sleep 600 & echo $! >> pids; echo $$ >> pids; wait; sleep 600; }
        echo $n/$LEAT_ATTEMPT
        """

    @Test("are ended at once when Ctrl-C comes twice")
    func interruptedTwice() async throws {
        let scene = try LeatScene(upTo: 2, work: Self.deaf)
        let start = ContinuousClock.now

        let status = try await scene.leat("run", "scene.yaml") { run in
            let commands = try await scene.numbers(in: "pids", count: 2)
            try await scene.beginning(of: "keep")
            kill(run, SIGINT)
            // Two that come together are one.
            try await scene.end(of: "keep")
            let signalled = ContinuousClock.now
            kill(run, SIGINT)
            try await commands.end(within: .seconds(3), in: scene)
            #expect(signalled.duration(to: .now) < .seconds(4))
        }

        #expect(status == .exited(130), "\(scene.output) after \(start.duration(to: .now))")
        try await scene.wait(.seconds(3), for: "the end of all") { scene.processes.isEmpty }
        try scene.write("", to: "calm")
        #expect(try await scene.leat("run", "scene.yaml") == .exited(0), "\(scene.output)")
        #expect(scene.lines("out").map { $0.prefix(1) } == ["1", "2"])
    }

    @Test("that ignore SIGTERM are ended in the grace of a drain, and their item is not charged")
    func deafAtDrain() async throws {
        let scene = try LeatScene(upTo: 2, work: Self.deaf)

        let status = try await scene.leat("run", "scene.yaml") { run in
            let commands = try await scene.numbers(in: "pids", count: 2)
            kill(run, SIGINT)
            // Five seconds, SIGTERM, two seconds, SIGKILL; the rest is this machine's.
            try await commands.end(within: .seconds(12), in: scene)
        }

        #expect(status == .exited(130), "\(scene.output)")
        #expect(scene.processes.isEmpty)
        #expect(try await scene.store().status().first { $0.stage == "work" }?.failures == 0)
        try scene.write("", to: "calm")
        #expect(try await scene.leat("run", "scene.yaml") == .exited(0), "\(scene.output)")
        #expect(scene.lines("out") == ["1/1", "2/1"])
    }

    @Test("see the end of their input while others that run beside them go on")
    func siblings() async throws {
        // The first one goes on until all others are done, which read to the end of what they are given.
        let scene = try LeatScene(
            upTo: 20,
            work: """
                read n
                if [ $n = 1 ]; then
                    sleep 600 & holder=$!
                    while [ "$(cat quick 2> /dev/null | wc -l)" -lt 19 ]; do sleep 0.02; done
                    kill $holder
                else
                    cat > rest.$n
                    echo $n >> quick
                fi
                echo $n/$LEAT_ATTEMPT
                """, "concurrency: 4\n    outputs: as_finished\n    timeout: 30s")

        #expect(try await scene.leat("run", "scene.yaml") == .exited(0), "\(scene.output)")

        #expect(Set(scene.lines("out")) == Set((1...20).map { "\($0)/1" }))
        #expect(scene.lines("out").count == 20)
    }

    @Test("have a new guardian after theirs was killed, which ends the next ones with their worker")
    func killedGuardian() async throws {
        let scene = try LeatScene(
            upTo: 3,
            work: """
                read n
                echo $PPID > worker
                if [ $n = 1 ]; then
                    while [ ! -e go ]; do sleep 0.02; done
                elif [ $n = 2 ] && [ ! -e calm ]; then
                    setsid sleep 600 & echo $! >> pids
                    ( ( sleep 600 & echo $! >> pids ) & )
                    echo $$ >> pids
                    sleep 600
                fi
                echo $n
                """)

        let status = try await scene.leat("run", "scene.yaml") { _ in
            let worker = try #require(try await scene.numbers(in: "worker").first)
            let first = LeatScene.guardians(of: worker)
            #expect(first.count == 1)
            for guardian in first { kill(guardian, SIGKILL) }
            try await first.end(within: .seconds(3), in: scene)
            try scene.write("", to: "go")
            let commands = try await scene.numbers(in: "pids", count: 3)
            let second = LeatScene.guardians(of: worker)
            #expect(second.count == 1 && second != first)
            try scene.write("", to: "calm")
            kill(worker, SIGKILL)
            try await (commands + second).end(within: .seconds(3), in: scene)
        }

        #expect(status == .exited(0), "\(scene.output)")
        #expect(scene.lines("out") == ["1", "2", "3"])
    }

    @Test("may be started by hand, the last stage first, and end by themselves")
    func byHand() async throws {
        let scene = try LeatScene(upTo: 50, work: "read n\necho $n", "concurrency: 2")

        try await withThrowingTaskGroup(of: Void.self) { group in
            for stage in ["keep", "work", "read"] as [StageName] {
                group.addTask {
                    let status = try await scene.leat("worker", "scene.yaml", stage.rawValue)
                    #expect(status == .exited(0), "\(stage): \(scene.output)")
                }
                try await scene.wait(for: "the worker of \(stage)") {
                    guard let store = try? await scene.store() else { return false }
                    return try await store.workers().contains { $0.stage == stage }
                }
            }
            try await group.waitForAll()
        }

        #expect(scene.lines("out") == (1...50).map(String.init))
        #expect(try await scene.store().status().map(\.state) == [.complete, .complete, .complete])
    }

    @Test("finish what they have in hand when a worker by hand is stopped")
    func byHandStopped() async throws {
        let scene = try LeatScene(
            upTo: 3,
            work: "read n\necho $n >> begun\nwhile [ ! -e go ]; do sleep 0.02; done\nsleep 1\necho $n/$LEAT_ATTEMPT")
        #expect(try await scene.leat("worker", "scene.yaml", "read") == .exited(0), "\(scene.output)")

        let status = try await scene.leat("worker", "scene.yaml", "work") { worker in
            try await scene.numbers(in: "begun")
            kill(worker, SIGTERM)
            try scene.write("", to: "go")
        }

        #expect(status == .exited(143), "\(scene.output)")
        #expect(try await scene.store().status().first { $0.stage == "work" }?.failures == 0)
        #expect(try await scene.leat("run", "scene.yaml") == .exited(0), "\(scene.output)")
        #expect(scene.lines("out") == ["1/1", "2/1", "3/1"])
        #expect(scene.lines("begun") == ["1", "2", "3"])
    }
}
#endif
