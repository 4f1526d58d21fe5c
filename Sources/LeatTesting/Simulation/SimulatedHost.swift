internal import Leat
internal import Logging
internal import Synchronization

/// The machine that the workers of a simulated pipeline run on: it starts them, again and again, and lets them suffer.
final class SimulatedHost: Sendable {
    private struct Live {
        let process: SimulatedProcess
        let task: Task<WorkerExit, any Error>
    }

    private let store: any Store
    private let subject: SimulatedPipeline
    private let scene: SimulatedScene
    private let scheduler: SimulatedScheduler
    private let live = Mutex<[(slot: String, Live)]>([])
    private let quiet = Logger(label: "simulation", factory: { _ in SwiftLogNoOpLogHandler() })

    init(_ store: any Store, _ subject: SimulatedPipeline, _ scene: SimulatedScene, _ scheduler: SimulatedScheduler) {
        self.store = store
        self.subject = subject
        self.scene = scene
        self.scheduler = scheduler
    }

    func run() async throws {
        try await store.install(subject.pipeline.plan)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for stage in subject.pipeline.stages {
                for number in 1...stage.workers {
                    group.addTask { try await self.keepWorking(stage.name, "\(stage.name)-\(number)") }
                }
            }
            group.addTask { await self.harass() }
            try await group.waitForAll()
        }
        try await judge()
    }

    // MARK: Workers

    /// Starts one worker after the other until the stage has come to its end.
    private func keepWorking(_ stage: StageName, _ slot: String) async throws {
        var generation = 0
        while !Task.isCancelled {
            generation += 1
            let process = SimulatedProcess(store, "\(slot).\(generation)", scene)
            let canceller = Canceller()
            let worker = try StageWorker(
                stage, of: subject.pipeline, on: process, pid: Int32(generation), logger: quiet
            ) { fatal in
                process.die("\(fatal)")
                canceller.cancel()
            }
            scene.note("\(process.name) begins")
            let task = Task(executorPreference: scheduler) { try await worker.work() }
            canceller.set(task)
            live.withLock { $0.append((slot, Live(process: process, task: task))) }
            let result = await withTaskCancellationHandler {
                await task.result
            } onCancel: {
                task.cancel()
            }
            live.withLock { $0.removeAll { $0.slot == slot } }
            switch result {
            case .success(let exit) where !process.isDead:
                scene.note("\(process.name) ends: \(exit)")
                if case .finished = exit { return }
                if case .failed(let reason) = exit {
                    return scene.violation("stage \(stage) has failed: \(reason)")
                }
            case .success: break
            case .failure(let error): if !process.isDead { scene.note("\(process.name) ends: \(error)") }
            }
            if process.isDead, scene.isLucky(60), let worker = process.worker {
                // Its supervisor learns of it; otherwise its silence tells.
                let account = try await store.end(worker, .killed)
                scene.note("the supervisor tells that \(process.name) was killed: \(account)")
            }
            await scene.time.pass(.milliseconds(scene.number(0...1500)))
        }
    }

    /// What cancels a worker's task, once there is one.
    private final class Canceller: Sendable {
        private let task = Mutex<Task<WorkerExit, any Error>?>(nil)
        func set(_ new: Task<WorkerExit, any Error>) { task.withLock { $0 = new } }
        func cancel() { task.withLock { $0 }?.cancel() }
    }

    // MARK: Faults

    private func harass() async {
        for _ in 0..<scene.number(0...8) {
            await scene.time.pass(.milliseconds(scene.number(0...1200)))
            let victims = live.withLock { $0.map(\.1) }
            guard let victim = scene.pick(victims) else { return }
            let lease = store.terms.duration
            switch scene.number(0...9) {
            case 0, 1: victim.process.arm(.dieBefore)
            case 2, 3: victim.process.arm(.dieAfter)
            case 4, 5: victim.process.arm(.stall(lease + .milliseconds(scene.number(0...4000))))
            case 6: victim.process.arm(.fail(scene.isLucky(50) ? .busy : .diskFull, scene.number(1...3)))
            case 7:
                scene.note("\(victim.process.name) is told to stop")
                victim.task.cancel()
            case 8:
                let jump = Duration.seconds(scene.number(-20...20))
                scene.note("the wall clock is set by \(jump)")
                scene.time.setWallClock(by: jump)
            default:
                scene.note("the host is started anew")
                scene.time.reboot()
                for victim in victims {
                    victim.process.die("a reboot")
                    victim.task.cancel()
                }
            }
        }
    }

    // MARK: Judging

    private func judge() async throws {
        for discrepancy in try await store.verify() { scene.violation("verify: \(discrepancy)") }
        for status in try await store.status() where !status.state.isComplete {
            scene.violation("stage \(status.stage) has ended \(status.state.rawValue)")
        }
        for queue in subject.pipeline.plan.queues {
            var left = subject.expected[queue] ?? [:]
            for item in try await store.items(in: queue, after: nil, limit: 100_000) {
                guard case .text(let value) = item.payload, let state = left.removeValue(forKey: value) else {
                    scene.violation("queue \(queue) has \(item.payload.preview) once too often")
                    continue
                }
                if state != item.state {
                    scene.violation(
                        "\(value) of queue \(queue) is \(item.state.rawValue), and must be \(state.rawValue)"
                            + (item.reason.map { " (\($0))" } ?? ""))
                }
            }
            for value in left.keys.sorted() { scene.violation("queue \(queue) lacks \(value)") }
        }
        for (stage, values) in subject.effects.sorted(by: { $0.key < $1.key }) {
            for value in values where !subject.functions.hadEffect(value, in: stage) {
                scene.violation("stage \(stage) was not called with \(value)")
            }
        }
    }
}
