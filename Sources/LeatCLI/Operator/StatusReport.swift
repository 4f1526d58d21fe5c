internal import Leat
internal import LeatSupervisor

/// How a database's pipeline stands: its word, its stages, and its workers with their logs.
struct StatusReport: Encodable, Sendable {
    /// `nil` when there are only queues on their own.
    let pipeline: String?
    /// `running`, `ready`, or the word of the run that would end now; of a pipeline.
    let state: String?
    /// The process of `run`, when there is one.
    let supervisor: Int32?
    let stages: [StageStatus]
    /// Those that have not ended, and of each stage without any the one that ended last.
    let workers: [WorkerRecord]
    /// Why no new work is begun just now, if so.
    var shortage: String?

    static func print(_ path: String, of pipeline: Pipeline? = nil, _ format: OutputFormat) async throws {
        let (database, plan) = try await OpenStore.existing(path, of: pipeline)
        var report = try await StatusReport(of: database, plan)
        report.shortage = database.shortage()
        try StandardOutput.write(format == .json ? try jsonLine(report) : report.text)
    }

    init(of database: OpenStore, _ plan: Plan) async throws {
        let isRunning = try FileLock.isHeld(path: database.runLock)
        self.init(
            plan: plan, stages: try await database.store.status(), workers: try await database.store.workers(),
            isRunning: isRunning, supervisor: isRunning ? FileLock.signature(path: database.runLock) : nil)
    }

    init(plan: Plan, stages: [StageStatus], workers: [WorkerRecord], isRunning: Bool, supervisor: Int32?) {
        pipeline = plan.pipeline
        self.stages = stages
        self.supervisor = supervisor
        self.workers = plan.stages.flatMap { stage in
            let all = workers.filter { $0.stage == stage.name }
            // One that died unnoticed still holds what it had.
            let live = all.filter { $0.ending == nil }
            return live.isEmpty ? all.max { $0.id < $1.id }.map { [$0] } ?? [] : live
        }
        state = plan.pipeline.map { _ in
            switch RunVerdict.judge(stages.filter { $0.kind != .queue }, of: plan) {
            case .over(let outcome) where !isRunning: outcome.word
            case .over, .goingOn:
                isRunning || workers.contains { worker in worker.isLive && plan.stage(worker.stage)?.kind != .queue }
                    ? StageState.running.rawValue : StageState.ready.rawValue
            }
        }
    }

    var text: String {
        let who = supervisor.map { " (process \($0))" } ?? ""
        let head = pipeline.map { "\(printable($0)): \(state ?? "")\(who)" }
        // What is usual is all that this process knows.
        let shortage = shortage.map { "\($0) (What was started with --keep-free goes by that instead.)" }
        return [head, shortage, stageTable(stages), workerTable].compactMap { $0 }.joined(separator: "\n\n")
    }

    private var workerTable: String {
        guard !workers.isEmpty else { return "No worker has been started yet." }
        var table = TextTable(["WORKER", "STAGE", "PROCESS", "STATE", "LOG"])
        for worker in workers {
            // A process number is a name: it has no thousands.
            table.add([
                "\(worker.id)", worker.stage, "\(worker.pid)", worker.ending ?? (worker.isLive ? "live" : "gone"),
                worker.log ?? "-",
            ])
        }
        return table.text
    }
}

/// A line a stage; of a producer the counts are of shards.
func stageTable(_ stages: [StageStatus]) -> String {
    var table = TextTable([
        "STAGE", "STATE", "READY", "WAITING", "LEASED", "DONE", "DEAD", "SKIPPED", "PUT", "FAILURES", "REFUSED",
        "WORKERS", "REASON",
    ])
    for stage in stages {
        table.add([
            stage.stage, stage.state.rawValue, stage.ready, stage.waiting, stage.leased, stage.done, stage.dead,
            stage.skipped, stage.emitted, stage.failures, stage.refused, stage.workers, stage.reason ?? "",
        ])
    }
    return table.text
}
