import Foundation
import GRDB
import Leat
import LeatTesting

@testable import LeatSQLite

/// A folder that goes when the test does, and a store in it.
final class Fixture: Sendable {
    let folder: URL
    let time: ManualTime

    /// - Parameter inMemory: whether the folder may be on tmpfs.
    init(inMemory: Bool = false) throws {
        let shared = URL(filePath: "/dev/shm")
        let isThere = inMemory && FileManager.default.isWritableFile(atPath: shared.path)
        folder = (isThere ? shared : FileManager.default.temporaryDirectory).appending(
            path: "leat-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        time = ManualTime()
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    var path: String { folder.appending(path: "test.db").path }

    func store(creating: Bool = true) async throws -> SQLiteStore {
        try await SQLiteStore.open(path, creating: creating, time: time)
    }

    /// Three stages in a line, with the plan written down.
    func linear() async throws -> SQLiteStore {
        let store = try await store()
        try await store.install(Fixture.line)
        return store
    }

    /// A connection as `sqlite3` would have it, with none of our settings. It waits for its turn, as the documentation tells
    /// strangers to: a second after its work a store copies its log.
    func bare<T>(_ body: (Database) throws -> T) throws -> T {
        var configuration = Configuration()
        configuration.busyMode = .timeout(30)
        return try DatabaseQueue(path: path, configuration: configuration).writeWithoutTransaction(body)
    }

    static let line = try! Plan(
        pipeline: "line",
        stages: [
            StageSpec("make", kind: .producer, outputs: ["raw"]),
            StageSpec("change", kind: .transformer, input: "raw", outputs: ["cooked"]),
            StageSpec("keep", kind: .consumer, input: "cooked"),
        ])
}

extension Store {
    func worker(_ stage: StageName) async throws -> WorkerID {
        try await enroll(Enrollment(stage: stage, pid: 1))
    }

    /// Puts so many items into `raw` from `make`, and ends it when asked.
    func fill(_ count: Int, end: Bool = false) async throws {
        let worker = try await worker("make")
        guard case .opened(let hold) = try await open(ShardID("make"), by: worker) else { return }
        let outputs = (0..<count).map { Output(.text("\($0)"), to: "raw") }
        try await emit(Emission(hold, outputs: outputs, cursor: "\(count)", isLast: end))
        try await end_(worker)
    }

    private func end_(_ worker: WorkerID) async throws { try await end(worker, .finished) }

    func lease(_ stage: StageName, _ worker: WorkerID, upTo limit: Int = 10) async throws -> Lease? {
        try await claim(ClaimRequest(stage, worker: worker, limit: limit)).lease
    }

    func states(_ queue: QueueName) async throws -> [ItemState] {
        try await items(in: queue, after: nil, limit: 10_000).map(\.state)
    }
}

extension SQLiteStore {
    func status(of stage: StageName) async throws -> StageStatus? { try await status().first { $0.stage == stage } }
}
