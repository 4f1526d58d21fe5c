import GRDB
import Leat
import LeatSQLite
import Subprocess
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

@Suite("Workers by hand", .serialized, .timeLimit(.minutes(5)))
struct ByHandTests {
    @Test("started last to first, nothing ends early and all end by themselves")
    func backwards() async throws {
        let scene = try Scene()

        try await withThrowingTaskGroup(of: Void.self) { group in
            for stage in ["sum", "keep", "change", "make"] as [StageName] {
                // The next one comes when this one waits.
                group.addTask {
                    let status = try await scene.run("worker", stage.rawValue)
                    #expect(status == .exited(0), "\(stage)")
                }
                try await scene.wait { store in try await store.workers().contains { $0.stage == stage } }
            }
            try await group.waitForAll()
        }

        #expect(try await scene.kept() == (1...1000).map { $0 * 10 })
        #expect(try await scene.store().status().map(\.state) == [.complete, .complete, .complete, .complete])
    }

    @Test("invariant 2: a worker stopped past its lease commits nothing when it goes on, and is counted")
    func stopped() async throws {
        let scene = try Scene(["CRASH_ITEMS": "200"])
        let lease = ["--lease", "2"]
        #expect(try await scene.run("worker", "make", lease[0], lease[1]) == .exited(0))

        // It is stopped while it holds items; another does them; then it goes on and finds them gone.
        let late = try await scene.run("worker", "change", lease[0], lease[1], with: ["CRASH_PAUSE": "300000"]) {
            pid in
            try await scene.wait { store in try await store.status(of: "change")?.leased ?? 0 > 0 }
            try await scene.stop(pid)
            let other = try await scene.run("worker", "change", lease[0], lease[1])
            #expect(other == .exited(0))
            kill(pid, SIGCONT)
        }
        #expect(late == .exited(0))
        #expect(try await scene.run("worker", "keep") == .exited(0))

        let store = try await scene.store()
        #expect(try await store.status(of: "change")?.refused == 1)
        #expect(try await store.workers().filter { $0.ending == "silent" }.count == 1)
        #expect(try await scene.kept() == (1...200).map { $0 * 10 })
        #expect(try await store.verify() == [])
    }

    @Test("a stage that the breaker stopped goes on, mended and restarted, with what was not settled")
    func breaker() async throws {
        let scene = try Scene()

        #expect(try await scene.run("run", "--quiet", with: ["CRASH_BROKEN": "1"]) == .exited(35))
        let store = try await scene.store()
        let dead = try await store.status(of: "change")?.dead ?? 0
        #expect(dead >= 5 && dead < 1000)
        #expect(try await store.status(of: "change")?.state == .failed)
        #expect(try await store.status(of: "keep")?.state == .blocked)

        try await store.restart("change", by: "test")
        #expect(try await scene.run("run", "--quiet") == .exited(30))
        #expect(try await scene.kept().count == 1000 - Int(dead))

        // The dead ones, after the pipeline was complete: what follows reopens, and the sum is made anew.
        #expect(try await store.retry("change", by: "test") == Int(dead))
        #expect(try await store.status(of: "sum")?.state == .stale)
        #expect(try await scene.run("run", "--quiet") == .exited(0))
        #expect(try await scene.kept() == (1...1000).map { $0 * 10 })
        let sum = try await store.reading { try Int.fetchOne($0, sql: "SELECT sum FROM total") }
        #expect(sum == 5_005_000)
        #expect(try await store.verify() == [])
    }
}
