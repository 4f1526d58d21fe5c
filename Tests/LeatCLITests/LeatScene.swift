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

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A pipeline file in a folder of its own, and the built `leat` that runs it.
final class LeatScene: Sendable {
    let folder: URL
    /// In the environment of `leat`, of its workers, and of their commands (`env: {SCENE: }`).
    private let mark = UUID().uuidString

    init(_ stages: String) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "leat-scene-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try write("name: scene\nstages:\n" + stages, to: "scene.yaml")
    }

    deinit {
        for process in processes { kill(process, SIGKILL) }
        try? FileManager.default.removeItem(at: folder)
    }

    /// Three stages: `read` puts the numbers up to one, `work` is the script `work.sh`, and `keep` writes what it gets to `out`.
    ///
    /// - Parameters:
    ///   - keys: more of `work`.
    ///   - isWhole: whether `keep` writes `out` anew, at the end. What is written before may be written twice.
    convenience init(upTo last: Int, work script: String, _ keys: String = "", isWhole: Bool = false) throws {
        let keep = isWhole ? "{shell: 'cat > out'}, when: closed" : "{shell: 'cat >> out'}, mode: batch"
        try self.init(
            """
              read: {produce: [seq, '\(last)'], to: n, env: {SCENE: }}
              work:
                transform: [sh, work.sh]
                from: n
                to: m
                env: {SCENE: }
                \(keys)
              keep: {consume: \(keep), from: m, env: {SCENE: }}

            """)
        try write(script, to: "work.sh")
    }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: folder.appending(path: name))
    }

    func lines(_ name: String) -> [String] {
        let text = try? String(contentsOf: folder.appending(path: name), encoding: .utf8)
        return (text ?? "").split(separator: "\n").map(String.init)
    }

    /// What `leat` has said.
    var output: String { lines("output").joined(separator: "\n") }

    func store() async throws -> SQLiteStore {
        try await SQLiteStore.open(folder.appending(path: "scene.db").path, creating: false)
    }

    /// The path of the built `leat`.
    static var program: String {
        get throws {
            URL(filePath: try executablePath()).deletingLastPathComponent().appending(path: "leat").path
        }
    }

    /// Runs `leat` to its end.
    ///
    /// - Parameter started: called with its process number when it runs.
    @discardableResult
    func leat(
        _ arguments: String..., started: @escaping @Sendable (Int32) async throws -> Void = { _ in }
    ) async throws -> TerminationStatus {
        try await leat(arguments, started: started)
    }

    @discardableResult
    func leat(
        _ arguments: [String], started: @escaping @Sendable (Int32) async throws -> Void = { _ in }
    ) async throws -> TerminationStatus {
        let log = try FileDescriptor.open(
            FilePath(folder.appending(path: "output").path), .writeOnly, options: [.create, .append],
            permissions: [.ownerReadWrite])
        return try await Subprocess.run(
            .path(FilePath(try Self.program)),
            arguments: Arguments(arguments),
            environment: .inherit.updating(["SCENE": mark]),
            workingDirectory: FilePath(folder.path),
            input: .none,
            output: .fileDescriptor(log, closeAfterSpawningProcess: true),
            error: .combinedWithOutput
        ) { execution in
            try await started(execution.processIdentifier.value)
        }.terminationStatus
    }

    // MARK: Waiting

    /// Waits until a script has written so many lines, and gives the numbers in them.
    @discardableResult
    func numbers(in name: String, count: Int = 1) async throws -> [Int32] {
        try await wait(for: "\(count) lines in \(name)") { self.lines(name).count >= count }
        return lines(name).compactMap { Int32($0) }
    }

    /// Waits until a worker of a stage has enrolled, which then hears signals.
    func beginning(of stage: StageName) async throws {
        let store = try await store()
        try await wait(for: "the beginning of \(stage)") {
            try await store.workers().contains { $0.stage == stage }
        }
    }

    /// Waits until the workers of a stage have ended.
    func end(of stage: StageName) async throws {
        let store = try await store()
        try await wait(for: "the end of \(stage)") {
            let workers = try await store.workers().filter { $0.stage == stage }
            return workers.allSatisfy { $0.ending != nil }
        }
    }

    /// - Throws: when it does not come in time.
    func wait(
        _ limit: Duration = .seconds(40), for what: String, until holds: @escaping @Sendable () async throws -> Bool
    ) async throws {
        let start = ContinuousClock.now
        while try await !holds() {
            guard start.duration(to: .now) < limit else { throw Late(what: what, output: output) }
            // What other processes write into files is no event of this one.
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    struct Late: Error {
        let what: String
        let output: String
    }

    // MARK: Processes

    /// All that runs of this scene, guardians left out: they have an environment of their own.
    var processes: [Int32] { Self.all.filter { Self.variables(of: $0).contains("SCENE=\(mark)") } }

    static var all: [Int32] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { Int32($0) }.filter(isAlive)
    }

    /// The guardian of a worker.
    static func guardians(of worker: Int32) -> [Int32] {
        all.filter { parent(of: $0) == worker && command($0).dropFirst().first == Guardian.word }
    }

    static func command(_ process: Int32) -> [String] { words("/proc/\(process)/cmdline") }

    static func variables(of process: Int32) -> [String] { words("/proc/\(process)/environ") }

    private static func words(_ path: String) -> [String] {
        let bytes = FileManager.default.contents(atPath: path) ?? Data()
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether a process is there and runs: one that has ended and waits to be reaped does not.
    static func isAlive(_ process: Int32) -> Bool { fields(of: process).first.map { $0 != "Z" && $0 != "X" } ?? false }

    private static func parent(of process: Int32) -> Int32? {
        fields(of: process).dropFirst().first.flatMap { Int32($0) }
    }

    /// Its state, its parent, and so on: what follows its name, which may hold anything.
    private static func fields(of process: Int32) -> [Substring] {
        let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        return text?.split(separator: ")").last?.split(separator: " ") ?? []
    }
}

extension [Int32] {
    /// Waits until none of them is alive.
    func end(within limit: Duration, in scene: LeatScene) async throws {
        try await scene.wait(limit, for: "the end of \(self)") { !contains(where: LeatScene.isAlive) }
    }
}
