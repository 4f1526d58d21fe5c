import Foundation
import Leat
import LeatCommands
import Logging

/// A pipeline file in a folder of its own, and runs of it in this process with real commands.
struct CommandRun {
    let folder: URL
    let store: MemoryStore

    init(store: MemoryStore = MemoryStore()) throws {
        self.store = store
        folder = FileManager.default.temporaryDirectory.appending(path: "leat-commands-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    func remove() {
        // What is left in the system's temporary folder harms nobody.
        try? FileManager.default.removeItem(at: folder)
    }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: folder.appending(path: name))
    }

    func lines(_ name: String) throws -> [String] {
        let path = folder.appending(path: name)
        guard FileManager.default.fileExists(atPath: path.path) else { return [] }
        return try String(contentsOf: path, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
            .dropLast().map(String.init)
    }

    func pipeline(
        _ yaml: String, _ values: [String: String] = [:], environment: [String: String]? = nil
    ) throws -> Pipeline {
        try write("name: test\nstages:\n" + yaml, to: "test.yaml")
        let file = try PipelineFile.read(folder.appending(path: "test.yaml").path)
        let host = CommandHost(
            environment: environment ?? ProcessInfo.processInfo.environment,
            logger: Logger(label: "leat.test", factory: { _ in SwiftLogNoOpLogHandler() }))
        return try file.pipeline(parameters: file.parameters(with: values), host: host)
    }

    @discardableResult
    func run(_ yaml: String, environment: [String: String]? = nil) async throws -> InMemoryRun {
        try await pipeline(yaml, environment: environment).runInMemory(
            store: store, logger: Logger(label: "leat.test", factory: { _ in SwiftLogNoOpLogHandler() }))
    }

    /// Items from one to a number, a transformer, and a consumer that writes what it gets to `out`.
    ///
    /// - Parameter stage: the transformer's keys, from `n` to `m`.
    @discardableResult
    func transform(
        _ count: Int, _ stage: String, producer: String? = nil, environment: [String: String]? = nil
    ) async throws -> InMemoryRun {
        try await run(
            """
              read:
                produce: \(producer ?? "[seq, '\(count)']")
                to: n
              work:
                from: n
                to: m
                retry: {attempts: 2, base: 1ms}
            \(stage.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n"))
              keep:
                consume: {shell: "cat >> out"}
                from: m
                mode: batch

            """, environment: environment)
    }

    func dead() async throws -> [String] {
        try await store.deadLetters(of: nil, limit: 1000).map { $0.payload.preview }.sorted()
    }

    func reasons() async throws -> [String] { try await store.deadLetters(of: nil, limit: 1000).map(\.reason) }
}

/// Whether a process is there and runs: one that has ended and waits to be reaped does not.
func isAlive(_ pid: String) -> Bool {
    guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else {
        return Int32(pid).map { kill($0, 0) == 0 } ?? false
    }
    return stat.split(separator: ")").last?.split(separator: " ").first != "Z"
}

/// Whether a process comes to its end: one that was killed needs a moment for it. It is not this process's child, so that
/// nobody tells.
func ends(_ pid: String) async -> Bool {
    for _ in 0..<1000 where isAlive(pid) {
        do { try await Task.sleep(for: .milliseconds(10)) } catch { break }
    }
    return !isAlive(pid)
}
