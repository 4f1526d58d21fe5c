internal import Dispatch
package import Foundation
internal import Leat
internal import LeatSQLite

/// A database that somebody has tampered with: bytes flipped, cut off, or of another file.
package struct HostileFile: Sendable {
    package var database: [UInt8]
    /// The log beside it; `nil`: none.
    package var log: [UInt8]?

    package init(database: [UInt8], log: [UInt8]?) {
        self.database = database
        self.log = log
    }

    /// What came of it.
    package enum Outcome: Sendable, Hashable {
        /// It was opened, looked at, verified and claimed from; the changes were nowhere that matters, or were found.
        case answered
        /// It was refused, by the raw value of a ``Leat/LeatError/Code``.
        case refused(String)
        /// What must not be.
        case other(String)
    }

    /// Opens it, looks at all there is, and works on it.
    ///
    /// - Parameter folder: where it is put; what was there is removed.
    package func tried(in folder: URL) async -> Outcome {
        do {
            try? FileManager.default.removeItem(at: folder)
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let path = folder.appending(path: "x.db").path
            try Data(database).write(to: URL(filePath: path))
            if let log { try Data(log).write(to: URL(filePath: path + "-wal")) }
            try await Self.work(on: path)
            return .answered
        } catch let error as LeatError {
            return .refused(error.code.rawValue)
        } catch {
            return .other("\(type(of: error)): \(error)")
        }
    }

    private static func work(on path: String) async throws {
        let store = try await SQLiteStore.open(path, creating: false, deadline: .seconds(1))
        _ = try await store.plan()
        _ = try await store.status()
        _ = try await store.queues()
        _ = try await store.workers()
        _ = try await store.deadLetters(of: nil, limit: 100)
        _ = try await store.attempts(of: nil, item: nil, limit: 100)
        _ = try await store.verify()
        guard let plan = try await store.plan() else { return }
        for stage in plan.stages {
            if let queue = stage.input { _ = try await store.items(in: queue, after: nil, limit: 100) }
        }
        for stage in plan.stages where stage.input != nil && !stage.takesAll {
            let worker = try await store.enroll(Enrollment(stage: stage.name, pid: getpid()))
            if case .granted(let lease) = try await store.claim(ClaimRequest(stage.name, worker: worker, limit: 10)) {
                _ = try await store.commit(Step(.done, of: lease), next: nil)
            }
            try await store.end(worker, .finished)
        }
        _ = try await store.reap(supervisor: nil)
        try await store.evaluate()
        try await store.checkpoint()
    }

    /// An honest one with items in every state, and a part of it in its log.
    ///
    /// - Parameter marked: goes into the payloads, so that two of them differ.
    package static func honest(in folder: URL, marked mark: String = "a") async throws -> HostileFile {
        try? FileManager.default.removeItem(at: folder)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let path = folder.appending(path: "x.db").path
        let store = try await SQLiteStore.open(path)
        let plan = try Plan(
            pipeline: "line",
            stages: [
                StageSpec("make", kind: .producer, outputs: ["raw"]),
                StageSpec("change", kind: .transformer, input: "raw", outputs: ["cooked"]),
                StageSpec("keep", kind: .consumer, input: "cooked"),
            ])
        try await store.install(plan)
        let maker = try await store.enroll(Enrollment(stage: "make", pid: 1))
        guard case .opened(let hold) = try await store.open(ShardID("make"), by: maker) else {
            throw LeatError(.refused, "The shard can't be opened.")
        }
        let outputs = (0..<60).map { Output(.text("\(mark) \($0)"), to: "raw", key: "\(mark)\($0)") }
        try await store.emit(Emission(hold, outputs: outputs, cursor: "60", isLast: false))
        let changer = try await store.enroll(Enrollment(stage: "change", pid: 1))
        for step in 0..<4 {
            let claim = try await store.claim(ClaimRequest("change", worker: changer, limit: 8))
            guard case .granted(let lease) = claim else { break }
            var outcomes: [ItemID: Leat.Outcome] = [:]
            for (index, item) in lease.items.enumerated() {
                outcomes[item.id] = index == step ? .failed(Failure("no")) : .done
            }
            _ = try await store.commit(
                Step(.each(outcomes), of: lease, outputs: [Output(.text("\(mark)!"), to: "cooked")]), next: nil)
            if step == 1 { try await store.checkpoint() }
        }
        let database = try Data(contentsOf: URL(filePath: path))
        let log = try Data(contentsOf: URL(filePath: path + "-wal"))
        return HostileFile(database: Array(database), log: Array(log))
    }
}
