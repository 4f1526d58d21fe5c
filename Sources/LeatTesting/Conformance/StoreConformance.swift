public import Leat

/// What every store must do, as cases that any of them can be put through.
///
/// A store that passes them all, and ``StoreModel`` besides, may stand under the engine. The names begin with the
/// number of the invariant that a case proves, where it proves one.
///
/// ```swift
/// @Test(arguments: StoreConformance.cases)
/// func conforms(_ demand: StoreConformance.Case) async throws {
///     try await demand.run { time in MyStore(time: time) }
/// }
/// ```
public enum StoreConformance {
    public static let cases: [Case] =
        putting + claiming + acknowledging + fencing + failing + advised + deaths + shards + completion + endings
        + breaking + orders + groups + schedules + queues + windows + limits + pruning + installing + observing

    /// One demand on a store, as a sentence with the store as its subject.
    public struct Case: Sendable, CustomStringConvertible {
        public let name: String
        let layout: Layout
        let body: @Sendable (Bench) async throws -> Void

        init(_ name: String, on layout: Layout = .line(), _ body: @escaping @Sendable (Bench) async throws -> Void) {
            self.name = name
            self.layout = layout
            self.body = body
        }

        public var description: String { name }

        /// Puts a new store through the case, and lets it verify itself at the end.
        ///
        /// - Parameter makeStore: gives an empty store that reads the given clock.
        /// - Throws: ``ConformanceFailure``, or what the store threw.
        public func run(on makeStore: @Sendable (any TimeSource) async throws -> any Store) async throws {
            let time = ManualTime()
            let store = try await makeStore(time)
            let plan = try layout.plan()
            try await store.install(plan)
            let bench = Bench(store: store, time: time, plan: plan)
            try await body(bench)
            try equal(try await store.verify(), [], "the discrepancies that the store finds in itself at the end")
        }
    }
}

/// A demand that a store did not meet, with the place that demands it.
public struct ConformanceFailure: Error, Sendable, CustomStringConvertible {
    /// What was expected, and what was found.
    public let sentence: String
    public let file: String
    public let line: Int

    init(_ sentence: String, file: String, line: Int) {
        self.sentence = sentence
        self.file = file
        self.line = line
    }

    public var description: String { "\(file):\(line): \(sentence)" }
}

/// Demands that two values are equal.
func equal<Value: Equatable>(
    _ found: Value, _ expected: Value, _ what: String, file: String = #fileID, line: Int = #line
) throws {
    guard found != expected else { return }
    throw ConformanceFailure("\(what): expected \(expected), found \(found)", file: file, line: line)
}

/// Demands that something holds.
func demand(_ condition: Bool, _ sentence: String, file: String = #fileID, line: Int = #line) throws {
    guard !condition else { return }
    throw ConformanceFailure(sentence, file: file, line: line)
}

/// Demands that a call is refused with the given code.
func refuses(
    _ code: LeatError.Code, _ what: String, file: String = #fileID, line: Int = #line,
    _ body: () async throws -> Void
) async throws {
    do {
        try await body()
    } catch let error as LeatError {
        try equal(error.code.rawValue, code.rawValue, "the refusal of \(what) (\(error))", file: file, line: line)
        return
    }
    throw ConformanceFailure("\(what) was not refused (\(code.rawValue))", file: file, line: line)
}
