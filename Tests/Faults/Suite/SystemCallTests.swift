#if os(Linux)
import FaultWorkload
import Foundation
import Glibc
import LeatTesting
import Subprocess
import Testing
import Torture

private let strace: String? = ["/usr/bin/strace", "/usr/local/bin/strace"].first { access($0, X_OK) == 0 }

extension Faults {
    /// The same process as at SQLite's calls, killed by `strace` at the Nth call of a kind that one of its threads makes into the
    /// system: those of Leat itself and of the libraries too.
    @Suite(
        "Deaths at a system call", .timeLimit(.minutes(Trial.isFull ? 60 : 10)),
        .enabled(if: strace != nil, "strace is not installed"))
    struct SystemCalls {
        private static let count = 12
        /// `strace` counts the calls of each kind by themselves, in each thread.
        private static let kinds = [
            "openat", "newfstatat", "mkdir", "flock", "fcntl", "pread64", "pwrite64", "fdatasync", "ftruncate",
            "unlink",
            "close",
        ]

        /// A place to die at.
        private struct Point: Sendable {
            let kind: String
            let number: Int
        }

        @Test("of any thread, lose nothing and double nothing, and the same command goes on")
        func atEachCall() async throws {
            let strace = try #require(strace)
            var points: [Point] = []
            for kind in Self.kinds {
                let most = try await calls(kind, strace)
                #expect(most > 0, "\(kind)")
                points += (1...most).map { Point(kind: kind, number: $0) }
            }
            let trial = Trial("kill at the Nth system call of a kind and a thread", ci: 40, full: .max, of: "points")
            var generator = trial.generator
            if trial.count < points.count { points = Array(points.shuffled(using: &generator).prefix(trial.count)) }

            var deaths = 0
            var bad = 0
            for point in points {
                let scene = try FaultScene()
                let (status, said) = try await scene.run(
                    "all", count: Self.count, ["FAULT_TELL": scene.path("told")],
                    under: [
                        strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(point.kind)", "-e",
                        "inject=\(point.kind):signal=SIGKILL:when=\(point.number)",
                    ])
                // Threads do not share their work in the same way each time.
                if status == .signaled(SIGKILL) { deaths += 1 } else { #expect(status == .exited(0), "\(said)") }
                let findings = try await scene.judge(scene.told("told"), count: Self.count)
                #expect(
                    findings.isGood,
                    "\(point), seed \(trial.seed), \(scene.folder.path): \(findings)")
                if findings.isGood { scene.remove() } else { bad += 1 }
            }
            trial.breach(bad)
            #expect(deaths > points.count / 2)
            try trial.finish(
                points.count, finding: "\(deaths) deaths; no database lost, doubled or contradicted anything")
        }

        /// How many calls of a kind the thread that makes most of them makes.
        private func calls(_ kind: String, _ strace: String) async throws -> Int {
            let scene = try FaultScene()
            let trace = scene.path("trace")
            let (status, said) = try await scene.run(
                "all", count: Self.count, under: [strace, "-f", "-qq", "-o", trace, "-e", "trace=\(kind)"])
            #expect(status == .exited(0), "\(said)")
            // One that another thread's call has broken in two is told twice.
            let lines = try String(contentsOfFile: trace, encoding: .utf8).split(separator: "\n")
                .filter { !$0.contains(" resumed>") }
            scene.remove()
            return Dictionary(grouping: lines) { $0.prefix { $0 != " " } }.values.map(\.count).max() ?? 0
        }
    }
}
#endif
