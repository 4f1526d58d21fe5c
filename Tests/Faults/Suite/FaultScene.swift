import FaultVFS
import FaultWorkload
import Foundation
import Leat
import LeatProcess
import LeatSQLite
import LeatTesting
import Subprocess

#if canImport(System)
import System
#else
import SystemPackage
#endif

/// A folder for one database, on tmpfs where there is one: a sync costs nothing there.
final class FaultScene: Sendable {
    let folder: URL

    init() throws {
        let shared = URL(filePath: "/dev/shm")
        let parent =
            FileManager.default.isWritableFile(atPath: shared.path)
            ? shared : FileManager.default.temporaryDirectory.resolvingSymlinksInPath()
        folder = parent.appending(path: "leat-fault-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    func path(_ name: String) -> String { folder.appending(path: name).path }
    var database: String { path("fault.db") }

    /// Without the files of a test that has failed nobody could look for the reason.
    func remove() { try? FileManager.default.removeItem(at: folder) }

    /// Runs `leat-fault-worker` to its end.
    ///
    /// - Parameter tracer: a program that runs it, by its path, with its arguments.
    /// - Returns: how it ended, and what it printed.
    @discardableResult
    func run(
        _ role: String, count: Int, _ variables: [String: String] = [:], under tracer: [String] = []
    ) async throws -> (TerminationStatus, String) {
        let program = URL(filePath: try executablePath()).deletingLastPathComponent().appending(
            path: "leat-fault-worker")
        var words = tracer + [program.path, database, "\(count)", role]
        let result = try await Subprocess.run(
            .path(FilePath(words.removeFirst())), arguments: Arguments(words),
            environment: .inherit.updating(
                Dictionary(uniqueKeysWithValues: variables.map { (Environment.Key(stringLiteral: $0), $1) })),
            output: .string(limit: 4096), error: .string(limit: 65_536))
        let said = result.standardOutput + result.standardError
        return (result.terminationStatus, said)
    }

    /// What the witness file has.
    func told(_ name: String) -> Set<Testimony> {
        guard let text = try? String(contentsOfFile: path(name), encoding: .utf8) else { return [] }
        return Set(text.split(separator: "\n").compactMap { Testimony($0) })
    }

    /// Opens the database as after a fault, looks at it, goes on to the end, and looks again.
    ///
    /// - Parameter time: of the same boot as the fault, or of a later one.
    func judge(
        _ told: Set<Testimony>, count: Int, time: any TimeSource = HostTime(), toTheEnd: Bool = true
    ) async throws -> Faults.Findings {
        var findings = Faults.Findings()
        do {
            let more = Witness(told)
            let store = try await SQLiteStore.open(database, time: time)
            try await store.install(Workload.plan())
            findings.add(try await Inquest.of(store, told: told))
            guard toTheEnd, findings.isGood else { return findings }
            try await Workload(count: count) { more.hear($0) }.run(on: store)
            findings.add(try await Inquest.of(store, told: more.told, finished: 1...count))
        } catch {
            findings.corrupt.append("\(error)")
        }
        return findings
    }
}

extension Faults {
    /// What was found over many databases.
    struct Findings: CustomStringConvertible {
        var lost: [String] = []
        var unexpected: [String] = []
        var corrupt: [String] = []
        var isGood: Bool { lost.isEmpty && unexpected.isEmpty && corrupt.isEmpty }

        mutating func add(_ inquest: Inquest) {
            lost += inquest.lost
            unexpected += inquest.unexpected
            corrupt += inquest.corrupt
        }

        var description: String { "lost \(lost), duplicated \(unexpected), corrupt \(corrupt)" }
    }
}
