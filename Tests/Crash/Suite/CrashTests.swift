import Foundation
import GRDB
import Leat
import LeatSQLite
import LeatTesting
import Subprocess
import Synchronization
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

@Suite("Whole processes", .serialized, .timeLimit(.minutes(5)))
struct CrashTests {
    @Test("load each item once, and sum them up")
    func undisturbed() async throws {
        let scene = try Scene()

        let status = try await scene.run("run", "--quiet")

        #expect(status == .exited(0))
        #expect(try await scene.kept() == (1...1000).map { $0 * 10 })
        let total = try await scene.store().reading { database in
            try String.fetchOne(database, sql: "SELECT count || ' of ' || sum FROM total")
        }
        #expect(total == "1000 of 5005000")
        #expect(try await scene.store().verify() == [])
    }

    @Test(
        "invariant 3: an item that ends its worker is dead after its attempts, and its neighbours are not charged",
        arguments: ["throw", "exit", "abort", "hang"])
    func poison(kind: String) async throws {
        let scene = try Scene(["CRASH_POISON": kind, "CRASH_ITEMS": "200"])

        let status = try await scene.run("run", "--quiet")

        #expect(status == .exited(30))
        let store = try await scene.store()
        let dead = try await store.deadLetters(of: nil, limit: 10)
        #expect(dead.map(\.stage) == ["change"])
        #expect(dead.map(\.payload) == [.text("77")])
        #expect(dead.map(\.attempts) == [2])
        let reasons = [
            "throw": "seventy-seven is refused", "exit": "exited with status 0", "abort": "signal 6",
            "hang": "no result within",
        ]
        #expect(dead.first?.reason.contains(try #require(reasons[kind])) == true, "\(dead)")
        #expect(try await store.status(of: "change")?.failures == 2)
        #expect(try await scene.kept() == (1...200).filter { $0 != 77 }.map { $0 * 10 })
        #expect(try await store.verify() == [])
    }

    @Test(
        "invariant 3: so is one that spoils the transaction it is loaded in",
        arguments: ["hang inside": "no result within", "refused at commit": "refused what the step wrote"])
    func poisonInside(kind: String, reason: String) async throws {
        let scene = try Scene(["CRASH_POISON": kind, "CRASH_ITEMS": "200"])

        let status = try await scene.run("run", "--quiet")

        #expect(status == .exited(30))
        let store = try await scene.store()
        let dead = try await store.deadLetters(of: nil, limit: 10)
        #expect(dead.map(\.stage) == ["keep"])
        #expect(dead.map(\.payload) == [.text("770")])
        #expect(dead.map(\.attempts) == [2])
        #expect(dead.first?.reason.contains(reason) == true, "\(dead)")
        #expect(try await scene.kept() == (1...200).filter { $0 != 77 }.map { $0 * 10 })
        #expect(try await store.verify() == [])
    }

    @Test("invariant 1: come to the same when the run itself kills workers at random")
    func chaos() async throws {
        // Five milliseconds an item: it lasts for several seconds on any machine.
        let scene = try Scene(["CRASH_PAUSE": "5000"])

        let status = try await scene.run("run", "--chaos", "kill=30%,seed=5")

        #expect(status == .exited(0), "\(scene.output)")
        let killed = try #require(scene.output.firstMatch(of: /chaos killed ([0-9]+) workers?/))
        #expect(try #require(Int(killed.1)) >= 1)
        #expect(scene.output.contains("a chance of 30%; again by --chaos kill=30%,seed=5"))
        let store = try await scene.store()
        #expect(try await store.workers().contains { $0.ending == "killed" })
        #expect(try await scene.kept() == (1...1000).map { $0 * 10 })
        #expect(try await store.deadLetters(of: nil, limit: 9).isEmpty)
        #expect(try await store.verify() == [])
    }

    @Test("put exactly one item a tick, whichever process is killed, and however long nobody runs")
    func ticks() async throws {
        let seed = UInt64.random(in: 0..<UInt64.max)
        var chance = SeededGenerator(seed: seed)
        let end = Int(Date().timeIntervalSince1970) + 8
        let scene = try Scene(["CRASH_TICKS": "\(end)"])
        var kills = 0
        var status = TerminationStatus.signaled(SIGKILL)
        while status == .signaled(SIGKILL) {
            let picks = (0..<3).map { _ in Int.random(in: 0..<1000, using: &chance) }
            let landed = Atomic(0)
            status = try await scene.run("run", "--quiet") { _ in
                try await scene.wait { _ in true }
                for pick in picks {
                    let before = try await scene.ticks()
                    try await scene.wait { _ in
                        try await scene.ticks() > before + pick % 8 || scene.processes().isEmpty
                    }
                    let alive = try scene.processes().sorted()
                    guard !alive.isEmpty, Int(Date().timeIntervalSince1970) < end else { return }
                    if kill(alive[pick % alive.count], SIGKILL) == 0 { landed.add(1, ordering: .relaxed) }
                }
            }
            kills += landed.load(ordering: .relaxed)
        }

        #expect(status == .exited(0), "seed \(seed)")
        #expect(kills > 2, "seed \(seed)")
        let kept = try await scene.kept()
        let first = try #require(kept.first)
        #expect(kept == Array(stride(from: first, through: end * 1000, by: 20)), "seed \(seed)")
        #expect(kept.count > 100, "seed \(seed)")
        #expect(try await scene.store().verify() == [], "seed \(seed)")
    }

    @Test("leaves no process behind when the supervisor is killed, not even one that hangs")
    func orphans() async throws {
        let scene = try Scene(["CRASH_POISON": "hang", "CRASH_PAUSE": "2000"])

        let status = try await scene.run("run", "--quiet") { pid in
            try await scene.wait { store in try await store.status(of: "keep")?.done ?? 0 > 30 }
            kill(pid, SIGKILL)
        }

        #expect(status == .signaled(SIGKILL))
        let clock = ContinuousClock()
        let end = clock.now + .seconds(10)
        while try !scene.processes().isEmpty, clock.now < end { await Task.yield() }
        #expect(try scene.processes() == [])
    }

    @Test("shows nobody as live when everybody was killed, before the next run has looked")
    func allKilled() async throws {
        let scene = try Scene(["CRASH_PAUSE": "2000"])

        _ = try await scene.run("run", "--quiet") { _ in
            try await scene.wait { store in try await store.status(of: "keep")?.done ?? 0 > 30 }
            let all = try scene.processes()
            for pid in all { kill(pid, SIGSTOP) }
            for pid in all { kill(pid, SIGKILL) }
        }

        let store = try await scene.store()
        #expect(try await store.workers().contains { $0.ending == nil })
        #expect(try await store.workers().filter(\.isLive) == [])
        #expect(try await store.status().map(\.workers) == [0, 0, 0, 0])
        #expect(try await store.status().allSatisfy { $0.state != .running })
    }

    @Test("replaces the only worker of a stage when that was stopped and does not go on")
    func stoppedForGood() async throws {
        let scene = try Scene(["CRASH_ITEMS": "300", "CRASH_PAUSE": "2000"])
        let stopped = Atomic<Int32>(0)

        let status = try await scene.run("run", "--quiet", "--lease", "1", "--workers", "change=1") { _ in
            try await scene.wait { store in try await store.status(of: "change")?.done ?? 0 > 10 }
            let worker = try await scene.store().workers().first { $0.stage == "change" && $0.ending == nil }
            guard let worker else { return }
            kill(worker.pid, SIGSTOP)
            stopped.store(worker.pid, ordering: .releasing)
        }

        #expect(stopped.load(ordering: .acquiring) != 0)
        #expect(status == .exited(0))
        #expect(try await scene.store().workers().contains { $0.ending == "silent" })
        #expect(try await scene.kept() == (1...300).map { $0 * 10 })
        #expect(try await scene.store().verify() == [])
        #expect(try scene.processes() == [])
    }

    @Test("refuses a second run while the first lives")
    func secondRun() async throws {
        let scene = try Scene(["CRASH_PAUSE": "500"])

        let first = try await scene.run("run", "--quiet") { _ in
            try await scene.wait { store in try await !store.workers().isEmpty }
            let second = try await scene.run("run", "--quiet")
            #expect(second == .exited(10))
        }

        #expect(first == .exited(0))
    }

    @Test("drains on SIGTERM and goes on where it was")
    func drain() async throws {
        let scene = try Scene(["CRASH_PAUSE": "500"])

        let first = try await scene.run("run", "--quiet") { pid in
            try await scene.wait { store in try await store.status(of: "keep")?.done ?? 0 > 30 }
            kill(pid, SIGTERM)
        }
        #expect(first == .exited(143))
        #expect(try scene.processes() == [])
        #expect(try await scene.store().workers().allSatisfy { $0.ending == "stopped" || $0.ending == "finished" })

        #expect(try await scene.run("run", "--quiet", "--workers", "change=1") == .exited(0))
        #expect(try await scene.kept() == (1...1000).map { $0 * 10 })
    }
}
