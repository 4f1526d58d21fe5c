import Foundation
import GRDB
import Leat
import LeatProcess
import LeatSQLite
import LeatTesting
import Subprocess
import Synchronization

#if canImport(System)
import System
#else
import SystemPackage
#endif

/// A folder with one database, and the processes that a test has started on it.
final class Scene: Sendable {
    let folder: URL
    let environment: [String: String]
    /// The folder of the database, if it is another.
    let place: URL
    private let keeping = Atomic(false)

    /// - Parameters:
    ///   - environment: what the program is told.
    ///   - name: where the database is, within the folder.
    init(_ environment: [String: String] = [:], in name: String = "") throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "leat-crash-\(UUID().uuidString)")
        place = name.isEmpty ? folder : folder.appending(path: name)
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        let oracle = folder.appending(path: "oracle").path
        self.environment = environment.merging(["CRASH_ORACLE": oracle]) { first, _ in first }
    }

    deinit { if !isKept { try? FileManager.default.removeItem(at: folder) } }

    var database: String { place.appending(path: "crash.db").path }
    var oracle: String { folder.appending(path: "oracle").path }

    var isKept: Bool { keeping.load(ordering: .relaxed) }

    /// Leaves the files for whoever looks at a failure.
    ///
    /// - Returns: where they are.
    func keep() -> String {
        keeping.store(true, ordering: .relaxed)
        return "files in \(folder.path)"
    }

    /// What the programs have said.
    var output: String {
        (try? String(contentsOf: folder.appending(path: "output"), encoding: .utf8)) ?? ""
    }

    func store() async throws -> SQLiteStore { try await SQLiteStore.open(database, creating: false) }

    /// Stops a process where it does not hold the lock that everybody waits for: who is stopped within a commit holds up
    /// all others until it goes on.
    func stop(_ pid: Int32) async throws {
        let probe = try await SQLiteStore.open(database, creating: false, deadline: .milliseconds(500))
        while true {
            kill(pid, SIGSTOP)
            while !isStopped(pid) { await Task.yield() }
            do {
                return try await probe.writing { _ in }
            } catch let error as LeatError where error.code == .busy {
                kill(pid, SIGCONT)
            }
            // Stopped again at once it would never come to the end of its commit.
            try await store().writing { _ in }
        }
    }

    /// Whether every thread stands still: one that was within a system call ends that first, and may take a lock by it.
    private func isStopped(_ pid: Int32) -> Bool {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        return tasks.allSatisfy { task in
            guard let line = try? String(contentsOfFile: "/proc/\(pid)/task/\(task)/stat", encoding: .utf8) else {
                return true
            }
            // `4711 (name) T …`, and the name may hold anything.
            return ["T", "t", "Z", "X"].contains(
                line[(line.lastIndex(of: ")") ?? line.startIndex)...].dropFirst(2).prefix(1))
        }
    }

    /// Runs the program to its end.
    ///
    /// - Parameters:
    ///   - path: another database than the scene's.
    ///   - more: what it is told besides.
    ///   - started: called with its process number when it runs.
    @discardableResult
    func run(
        _ arguments: String..., at path: String? = nil, with more: [String: String] = [:],
        started: @escaping @Sendable (Int32) async throws -> Void = { _ in }
    ) async throws -> TerminationStatus {
        let program = URL(filePath: try executablePath()).deletingLastPathComponent().appending(path: "leat-crash")
        let variables = environment.merging(more) { $1 }
        // Where one looks when a test has failed.
        let log = try FileDescriptor.open(
            FilePath(folder.appending(path: "output").path), .writeOnly,
            options: [.create, .append], permissions: [.ownerReadWrite])
        let result = try await Subprocess.run(
            .path(FilePath(program.path)),
            arguments: Arguments(arguments + ["--db", path ?? database]),
            environment: .inherit.updating(
                Dictionary(uniqueKeysWithValues: variables.map { (Environment.Key(stringLiteral: $0), $1) })),
            input: .none,
            output: .fileDescriptor(log, closeAfterSpawningProcess: true),
            error: .combinedWithOutput
        ) { execution in
            try await started(execution.processIdentifier.value)
        }
        return result.terminationStatus
    }

    /// Waits until something holds of the store, looking again after each commit.
    func wait(until holds: @escaping @Sendable (SQLiteStore) async throws -> Bool) async throws {
        let store = try await opened()
        var mark = try await store.change(since: nil, within: .zero)
        while try await !holds(store) { mark = try await store.change(since: mark, within: .milliseconds(200)) }
    }

    /// The store, as soon as the program has made its file and its plan.
    func opened() async throws -> SQLiteStore {
        while true {
            do {
                let store = try await store()
                if try await store.plan() != nil { return store }
            } catch let error as LeatError where error.code == .notFound || error.code == .foreignFile {
                // The file is not there, or nobody's yet.
            }
            await Task.yield()
        }
    }

    /// Every value that was loaded, in order.
    func kept() async throws -> [Int] {
        try await store().reading { try Int.fetchAll($0, sql: "SELECT value FROM kept ORDER BY value") }
    }

    /// How many ticks have been put.
    func ticks() async throws -> Int { try await store().items(in: "ticks", after: nil, limit: 100_000).count }

    /// The processes of this scene that live, by the path of their database.
    func processes() throws -> [Int32] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter { pid in
            guard let line = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") else { return false }
            return String(decoding: line, as: UTF8.self).contains(database)
        }
    }
}

extension SQLiteStore {
    func status(of stage: StageName) async throws -> StageStatus? { try await status().first { $0.stage == stage } }
}
