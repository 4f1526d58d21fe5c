internal import CoreMetrics
internal import Synchronization
internal import Tracing

/// What is told to the backends of swift-metrics and swift-distributed-tracing that the program has set.
///
/// Which these are is looked up once, when a worker begins or a queue is opened. Where none is set there is no
/// observation, and nothing is measured.
package final class Observation: Sendable {
    private let factory: (any MetricsFactory)?
    let tracer: (any Tracer)?
    private let counters = Mutex<[Instrument: Counter]>([:])
    private let timers = Mutex<[Instrument: Timer]>([:])
    private let gauges = Mutex<[Instrument: Gauge]>([:])

    /// A metric with its dimensions.
    private struct Instrument: Hashable {
        let label: String
        let dimensions: [String]

        init(_ label: String, _ dimensions: [(String, String)]) {
            self.label = label
            self.dimensions = dimensions.map(\.1)
        }
    }

    /// - Returns: `nil` when the program has set no backend.
    package static func ofBackends() -> Observation? {
        let factory = MetricsSystem.factory
        let tracer = InstrumentationSystem.tracer
        let isMeasured = !(factory is NOOPMetricsHandler)
        let isTraced = !(tracer is NoOpTracer)
        guard isMeasured || isTraced else { return nil }
        return Observation(isMeasured ? factory : nil, isTraced ? tracer : nil)
    }

    private init(_ factory: (any MetricsFactory)?, _ tracer: (any Tracer)?) {
        self.factory = factory
        self.tracer = tracer
    }

    var isMeasured: Bool { factory != nil }

    // MARK: Metrics

    func count(_ label: String, _ dimensions: [(String, String)], by amount: Int) {
        guard amount > 0 else { return }
        instrument(counters, label, dimensions) { Counter(label: label, dimensions: dimensions, factory: $0) }?
            .increment(by: amount)
    }

    func time(_ label: String, _ dimensions: [(String, String)], nanoseconds: Int64) {
        instrument(timers, label, dimensions) { Timer(label: label, dimensions: dimensions, factory: $0) }?
            .recordNanoseconds(max(nanoseconds, 0))
    }

    func gauge(_ label: String, _ dimensions: [(String, String)], _ value: Double) {
        instrument(gauges, label, dimensions) { Gauge(label: label, dimensions: dimensions, factory: $0) }?
            .record(value)
    }

    /// Made once: a backend keeps what it has made.
    private func instrument<Metric: Sendable>(
        _ made: borrowing Mutex<[Instrument: Metric]>, _ label: String, _ dimensions: [(String, String)],
        _ make: (any MetricsFactory) -> Metric
    ) -> Metric? {
        guard let factory else { return nil }
        let name = Instrument(label, dimensions)
        return made.withLock { made in
            if let found = made[name] { return found }
            let new = make(factory)
            made[name] = new
            return new
        }
    }
}

/// The names of what is measured. They are public, as dashboards depend on them: see the article Operating.
enum Metric {
    /// Items put, by queue; those whose key was there already included.
    static let puts = "leat.puts"
    /// Items claimed, by stage.
    static let claims = "leat.claims"
    /// Items whose attempt came to an end, by stage and outcome.
    static let outcomes = "leat.outcomes"
    /// Steps that came too late, by stage.
    static let refused = "leat.refused"
    /// From the put of an item to its first claim, by stage.
    static let wait = "leat.wait"
    /// A call of a stage's function, or of a queue's handler, by stage.
    static let run = "leat.run"
    /// Items that are not settled, by queue.
    static let depth = "leat.depth"
    /// How long the item that has been ready the longest has been there, in seconds, by queue.
    static let oldestAge = "leat.oldest_age"
}
