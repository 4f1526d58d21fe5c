import Foundation
import Leat
import LeatProcess
import LeatSQLite
import Subprocess
import Testing

#if canImport(System)
import System
#else
import SystemPackage
#endif

/// What comes from outside can neither order a terminal about nor be run, and files are their owner's alone.
///
/// Elsewhere: refused pipeline files (`SafeFileTests`), the alias bomb (`FileReadingTests`), the small environment of commands
/// and their limits (`ItemModeTests`), names (`FileRefusalTests`). Nothing is written as CSV.
@Suite("Security", .timeLimit(.minutes(1)))
struct SecurityTests {
    /// Orders to a terminal (CSI by ESC and by C1), a bell, a backspace, a new title, text that runs backwards, and half of an
    /// escape sequence.
    private static let hostile =
        "a\u{1B}[31mred\u{9B}2J\u{7}\u{8}\u{1B}]0;title\u{7}\u{202E}gpj\u{2066}\u{200F}\r\u{7F}\u{85}\u{1B}"

    /// A queue with such an item ready, and one that is dead, in a scene of its own.
    private func hostileScene() async throws -> LeatScene {
        let scene = try LeatScene("  a: {produce: [seq, '3'], to: n}\n  b: {consume: [cat], from: n}\n")
        let store = try await SQLiteStore.open(scene.folder.appending(path: "x.db").path)
        let hostile = Self.hostile
        let policy = StagePolicy(retry: RetryPolicy(attempts: 1))
        let stage = try await store.makeQueue("q", policy: policy)
        _ = try await store.put([
            Output(.text(hostile), to: "q", key: "1" + hostile), Output(.text(hostile), to: "q", key: "2" + hostile),
        ])
        let worker = try await store.enroll(
            Enrollment(stage: stage.name, pid: getpid(), log: "/tmp/" + hostile))
        let claim = try await store.claim(ClaimRequest(stage.name, worker: worker, limit: 1, for: .seconds(60)))
        guard case .granted(let lease) = claim else {
            throw LeatError(.notFound, "Nothing was claimed.")
        }
        var failure = Failure(hostile)
        failure.advice = .never
        _ = try await store.commit(Step(.each([lease.items[0].id: .failed(failure)]), of: lease), next: nil)
        return scene
    }

    @Test(
        "shows payloads, keys, reasons and paths escaped, whatever looks at them",
        arguments: [
            ["peek", "x.db", "q"], ["dead", "x.db"], ["attempts", "x.db"],
            ["attempts", "x.db", "--stage", "q", "--item", "1"],
            ["status", "x.db"], ["queues", "x.db"], ["verify", "x.db"], ["doctor", "x.db"], ["metrics", "x.db"],
        ])
    func looking(command: [String]) async throws {
        let scene = try await hostileScene()

        for format in command[0] == "metrics" ? [[]] : [[], ["--format", "json"]] {
            try await scene.leat(command + format)
        }

        #expect(!scene.output.isEmpty)
        #expect(Self.orders(in: scene).isEmpty)
        // It was there to be shown.
        if ["peek", "dead", "attempts"].contains(command[0]) {
            #expect(scene.output.contains("\\u{1b}[31mred"))
            // The reason of an attempt was made safe when it was kept.
            #expect(command[0] == "attempts" || scene.output.contains("\\u001b[31mred"))
        }
    }

    @Test(
        "shows what was given on the command line escaped when it refuses it",
        arguments: [
            [hostile], ["status", hostile], ["status", "x.db", hostile], ["peek", "x.db", hostile],
            ["status", "x.db", "--\(hostile)"],
            ["peek", "x.db", "q", "--limit", hostile], ["retry", "x.db", hostile],
            ["skip", "x.db", "q", "--item", hostile],
            ["run", hostile], ["run", "scene.yaml", "--param", hostile], ["run", "scene.yaml", "--db", hostile + "/x"],
            ["put", "x.db", hostile], ["take", "x.db", hostile], ["validate", hostile],
        ])
    func refusing(arguments: [String]) async throws {
        let scene = try await hostileScene()

        let status = try await scene.leat(arguments)

        #expect(status != .exited(0))
        #expect(!scene.output.isEmpty)
        #expect(Self.orders(in: scene).isEmpty)
    }

    @Test("makes files for their owner alone, whatever the umask")
    func modes() async throws {
        let scene = try LeatScene(upTo: 3, work: "cat")
        let program = URL(filePath: try executablePath()).deletingLastPathComponent().appending(path: "leat").path

        let run = try await Subprocess.run(
            .path("/bin/sh"),
            arguments: [
                "-c",
                "export SCENE=x; umask 000; '\(program)' run scene.yaml --quiet && echo 1 | '\(program)' put put.db q",
            ],
            workingDirectory: FilePath(scene.folder.path), output: .discarded, error: .string(limit: 4096))

        #expect(run.terminationStatus == .exited(0), "\(run.standardError)")
        for name in ["scene.db", "put.db"] {
            let beside = ["", "-wal", "-shm", "-leat"].map { scene.folder.appending(path: name + $0).path }
            let inside = FileManager.default.enumerator(atPath: beside[3])?.compactMap { "\(beside[3])/\($0)" } ?? []
            #expect(inside.count > 3)
            for path in beside + inside where FileManager.default.fileExists(atPath: path) {
                let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
                #expect((mode ?? 0o777) & 0o077 == 0, "\(path): \(String(mode ?? 0, radix: 8))")
            }
        }
    }

    @Test("never runs an item: with a shell, without one, in the environment or in a name")
    func items() async throws {
        let poison = "$(touch pwned) `touch pwned`; touch pwned # ' \" \\"
        let scene = try LeatScene(
            """
              read: {produce: [cat, poison], to: n}
              array: {transform: [sed, 's/^/& /'], from: n, to: m}
              shell: {transform: {shell: 'cat; echo "$LEAT_KEY" >> keys'}, from: m, to: o}
              keep: {consume: {shell: 'cat >> out'}, from: o}

            """)
        try scene.write(poison + "\n", to: "poison")

        #expect(try await scene.leat("run", "scene.yaml", "--quiet") == .exited(0))

        #expect(scene.lines("out") == [" " + poison])
        #expect(!FileManager.default.fileExists(atPath: scene.folder.appending(path: "pwned").path))
    }

    @Test("gives an argument of a command to no shell, nor a variable of its own environment to a command")
    func arguments() async throws {
        let scene = try LeatScene(
            """
              read: {produce: [printf, '%s\\n', '$(touch pwned)', '*', '$HOME'], to: n}
              keep: {consume: {shell: 'cat >> out; env >> environment'}, from: n}

            """)

        #expect(try await scene.leat("run", "scene.yaml", "--quiet") == .exited(0))

        #expect(scene.lines("out").sorted() == ["$(touch pwned)", "$HOME", "*"])
        // The scene's own mark is in the environment of `leat`, and is named by no stage here.
        #expect(!scene.lines("environment").contains { $0.hasPrefix("SCENE=") })
        #expect(scene.lines("environment").contains { $0.hasPrefix("LEAT_KEY=") })
    }

    /// The characters of what was printed that a terminal would take for an order.
    private static func orders(in scene: LeatScene) -> [Unicode.Scalar] {
        scene.output.unicodeScalars.filter { scalar in
            switch scalar.value {
            case 0x0A: false
            case 0..<0x20, 0x7F..<0xA0, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
            default: false
            }
        }
    }
}
