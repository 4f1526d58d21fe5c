internal import ArgumentParser
internal import Leat

/// `leat metrics DB`: figures for Prometheus.
struct MetricsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "metrics", abstract: "Prints figures of queues and stages in Prometheus's text format.",
        discussion:
            "For a textfile collector, or behind anything that serves a command's output. Totals only grow; after a retry or a redo an item may be counted again."
    )

    @OptionGroup var database: DatabaseArgument

    func run() async throws {
        let (database, _) = try await OpenStore.existing(database.db)
        let metrics = PrometheusText(
            queues: try await database.store.queues(), stages: try await database.store.status(),
            now: database.store.time.wallClock)
        try StandardOutput.write(metrics.text)
    }
}

/// Figures in Prometheus's text exposition format
/// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
struct PrometheusText {
    private(set) var text = ""

    init(queues: [QueueStatus], stages: [StageStatus], now: Int64) {
        add("leat_queue_items", "gauge", "Items of a queue by state.") { add in
            for queue in queues {
                for (state, count) in [
                    ("ready", queue.ready), ("waiting", queue.waiting), ("leased", queue.leased), ("done", queue.done),
                    ("dead", queue.dead), ("skipped", queue.skipped),
                ] { add([("queue", queue.queue.rawValue), ("state", state)], "\(count)") }
            }
        }
        add(
            "leat_queue_oldest_ready_seconds", "gauge",
            "How long ago the oldest ready item of a queue was put; 0 when none is ready."
        ) { add in
            for queue in queues {
                let age = queue.oldestReadyAt.map { Double(max(0, now - $0)) / 1000 } ?? 0
                add([("queue", queue.queue.rawValue)], "\(age)")
            }
        }
        add("leat_queue_closed", "gauge", "1 when no further item can come.") { add in
            for queue in queues { add([("queue", queue.queue.rawValue)], queue.isClosed ? "1" : "0") }
        }
        add("leat_stage_state", "gauge", "1 for the state that a stage is in.") { add in
            for stage in stages {
                for state in StageState.allCases {
                    add([("stage", stage.stage.rawValue), ("state", state.rawValue)], state == stage.state ? "1" : "0")
                }
            }
        }
        add("leat_stage_workers", "gauge", "Live workers of a stage.") { add in
            for stage in stages { add([("stage", stage.stage.rawValue)], "\(stage.workers)") }
        }
        for (name, help, value) in [
            ("leat_stage_put_total", "Items that a stage has put.", \StageStatus.emitted),
            ("leat_stage_failures_total", "Attempts of a stage that were spent without success.", \.failures),
            ("leat_stage_refused_total", "Steps of a stage that came too late.", \.refused),
        ] {
            add(name, "counter", help) { add in
                for stage in stages { add([("stage", stage.stage.rawValue)], "\(stage[keyPath: value])") }
            }
        }
    }

    private mutating func add(
        _ name: String, _ type: String, _ help: String,
        _ samples: ((_ labels: [(String, String)], _ value: String) -> Void) -> Void
    ) {
        var lines = "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
        samples { labels, value in
            // Names and states have no character that would have to be escaped.
            lines += "\(name){\(labels.map { "\($0)=\"\($1)\"" }.joined(separator: ","))} \(value)\n"
        }
        text += lines
    }
}
