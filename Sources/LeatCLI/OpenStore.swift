internal import Leat
internal import LeatSQLite
internal import LeatSupervisor
internal import Synchronization

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// Stands between a program and each store that it opens: fault tests log there what a worker does, or spoil it.
enum StoreWrapping {
    private static let wrap = Mutex<(@Sendable (any Store) throws -> any Store)?>(nil)

    /// To be called before the program's command line is read.
    static func set(_ body: @escaping @Sendable (any Store) throws -> any Store) { wrap.withLock { $0 = body } }

    static func wrapped(_ store: any Store) throws -> any Store { try wrap.withLock { $0 }?(store) ?? store }
}

/// A database and the files that stand beside it. The only place that names a store.
struct OpenStore: Sendable {
    let store: any Store
    /// The real path, so that a worker that is started elsewhere opens the same file.
    let path: String
    /// Copies what is left in the log, so that the file alone is the whole.
    let checkpoint: @Sendable () async throws -> Void
    /// Whether the path names another file than the one that was opened, or none.
    let isReplaced: @Sendable () -> Bool
    /// Why no new work is begun just now: there is too little room.
    let shortage: @Sendable () -> String?
    /// This process does one thing after the other: a step may hold up the thread of whoever asks for it.
    let holdUpCallers: @Sendable () -> Void
    /// What the store can tell of its file and its place.
    let examine: @Sendable () -> Examination

    /// - Parameters:
    ///   - creating: whether a database that isn't there is made.
    ///   - bytesKeptFree: of the disk, for acknowledgements; what is usual if `nil`.
    /// - Throws: ``LeatError/Code/notFound`` for a file that is missing and not to be made.
    static func open(
        _ path: String, creating: Bool, lease: Duration? = nil, deadline: Duration = .seconds(30),
        bytesKeptFree: Int64? = nil
    ) async throws -> OpenStore {
        let terms = lease.map { LeaseTerms(heartbeat: min(.seconds(1), $0 / 4), duration: $0) } ?? LeaseTerms()
        let store = try await SQLiteStore.open(
            path, creating: creating, terms: terms, deadline: deadline, bytesKeptFree: bytesKeptFree)
        return OpenStore(
            store: try StoreWrapping.wrapped(store), path: try absolute(path),
            checkpoint: { try await store.checkpoint() },
            isReplaced: { store.isFileReplaced }, shortage: { store.shortage },
            holdUpCallers: { store.mayHoldUpCallers(for: Self.hold) },
            examine: { store.examine() })
    }

    /// Opens a database for an order or a question: it is there, and holds a pipeline or queues.
    ///
    /// - Parameters:
    ///   - pipeline: whose it must be; anyone's if not named.
    ///   - deadline: how long it waits for a lock; mostly a person waits for the answer.
    static func existing(
        _ path: String, of pipeline: Pipeline? = nil, deadline: Duration = .seconds(5)
    ) async throws -> (OpenStore, Plan) {
        let database = try await open(path, creating: false, deadline: deadline)
        guard let plan = try await database.store.plan() else {
            throw LeatError(
                .notFound,
                "The database \(printable(path)) holds no pipeline and no queue; check the path: 'leat put' makes a queue, and a program's 'run' a pipeline."
            )
        }
        guard pipeline == nil || plan.pipeline == pipeline?.name else {
            throw LeatError(
                .pipelineChanged,
                "The database \(printable(path)) holds \(plan.pipeline.map { "pipeline '\(printable($0))'" } ?? "no pipeline"), not '\(printable(pipeline?.name ?? ""))'; check the path, or look at it with 'leat'."
            )
        }
        return (database, plan)
    }

    /// - Throws: ``LeatError`` when another file, or none, is at the path now.
    func checkPlace() throws {
        guard isReplaced() else { return }
        throw LeatError(
            .storeFailed,
            "The database \(printable(path)), or its -wal, was replaced or deleted while the run had it open, so the run was ended; put the file back with its -wal, or run again on what is there now."
        )
    }

    var folder: String { path + "-leat" }
    /// Held by the supervisor as long as it lives.
    var runLock: String { folder + "/run" }
    /// The pipeline file as it was when the run began, so that all of its workers read the same one.
    var snapshot: String { folder + "/pipeline.yaml" }
    /// One file a place of a stage, so that their number stays bounded however often workers are started.
    func log(of slot: Slot) -> String { folder + "/logs/\(slot).log" }

    /// Of a step whose turn has come by then: longer waits are for a thread that does nothing else.
    private static let hold = Duration.milliseconds(10)

    private static func absolute(_ path: String) throws -> String {
        guard let real = realpath(path, nil) else {
            throw LeatError(
                .notFound, "The path \(printable(path)) can't be resolved: \(String(cString: strerror(errno))).")
        }
        defer { free(real) }
        return String(cString: real)
    }
}
