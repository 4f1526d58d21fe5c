import Leat
import LeatSupervisor
import Testing

@Suite("the fleet")
struct FleetTests {
    @Test("starts as many workers as each stage has")
    func starts() throws {
        var fleet = Fleet(plan: try plan(), workers: ["square": 3])

        let actions = fleet.event(.status(beginning))

        #expect(
            actions == [
                .start(Slot("numbers", 1)), .start(Slot("square", 1)), .start(Slot("square", 2)),
                .start(Slot("square", 3)),
            ])
        #expect(fleet.event(.status(beginning)) == [])
    }

    @Test("starts no more workers of a producer than it has shards to do")
    func shards() throws {
        var fleet = Fleet(plan: try plan(), workers: ["numbers": 4])

        let actions = fleet.event(.status(beginning))

        #expect(actions.filter { $0 == .start(Slot("numbers", 1)) }.count == 1)
        #expect(!actions.contains(.start(Slot("numbers", 2))))
    }

    @Test("starts a stage that comes after others, or takes all at once, when they are complete")
    func after() throws {
        var fleet = Fleet(plan: try plan(), workers: ["report": 5])
        _ = fleet.event(.status(beginning))

        let early = fleet.event(.status(statuses(numbers: .complete, square: .running)))
        let due = fleet.event(.status(statuses(numbers: .complete, square: .completeWithErrors, report: .ready)))

        #expect(early == [])
        #expect(due == [.start(Slot("report", 1))])
    }

    @Test("fills a place at once after a death that was charged to an item or halved a batch")
    func charged() throws {
        var fleet = Fleet(plan: try plan(), workers: [:])
        _ = fleet.event(.status(beginning))

        #expect(fleet.event(.ended(Slot("square", 1), .halved, beginning)) == [.start(Slot("square", 1))])
        #expect(fleet.event(.ended(Slot("square", 1), .charged, beginning)) == [.start(Slot("square", 1))])
    }

    @Test("pauses longer and longer when nothing comes of a stage's workers")
    func pauses() throws {
        var fleet = Fleet(plan: try plan(), workers: [:])
        _ = fleet.event(.status(beginning))
        let slot = Slot("square", 1)

        #expect(fleet.event(.ended(slot, .stage, beginning)) == [.pause(slot, .milliseconds(50))])
        #expect(fleet.event(.status(beginning)) == [])
        #expect(fleet.event(.due(slot)) == [.start(slot)])
        #expect(fleet.event(.ended(slot, .nobody, beginning)) == [.pause(slot, .milliseconds(100))])
    }

    @Test("starts a worker again and again that is killed while it waits, ever more slowly")
    func killedIdle() throws {
        var fleet = Fleet(plan: try plan(), workers: [:])
        _ = fleet.event(.status(beginning))
        let slot = Slot("square", 1)

        let actions = (0..<20).flatMap { _ in fleet.event(.ended(slot, .nobody, beginning)) + fleet.event(.due(slot)) }

        #expect(actions.filter { $0 == .start(slot) }.count == 20)
        #expect(actions.filter { $0 == .pause(slot, RestartPolicy.cap) }.count == 13)
    }

    @Test("starts nobody for a stage that has failed, and goes on with the others")
    func failedStage() throws {
        var fleet = Fleet(plan: try plan(), workers: [:])
        _ = fleet.event(.status(beginning))
        let failed = statuses(numbers: .running, square: .failed, report: .blocked)

        #expect(
            fleet.event(.ended(Slot("square", 1), .stage, failed)) == [.pause(Slot("square", 1), .milliseconds(50))])
        #expect(fleet.event(.due(Slot("square", 1))) == [])
        #expect(fleet.event(.status(statuses(numbers: .running, square: .ready))) == [.start(Slot("square", 1))])
    }

    @Test("asks the idle to leave when no stage can make progress, and kills them after the grace")
    func noProgress() throws {
        var fleet = Fleet(plan: try plan(), workers: [:])
        _ = fleet.event(.status(beginning))
        let stuck = statuses(numbers: .failed, square: .blocked, report: .blocked)

        let actions = fleet.event(.ended(Slot("numbers", 1), .stage, stuck))
        #expect(actions == [.pause(Slot("numbers", 1), RestartPolicy.base), .terminate, .allowGrace])
        #expect(fleet.event(.graceIsOver) == [.kill])
        #expect(fleet.event(.ended(Slot("square", 1), .nobody, stuck)) == [.finish])
        #expect(!fleet.isInterrupted)
    }

    @Test("lets the workers leave by themselves when all is complete")
    func complete() throws {
        var fleet = Fleet(plan: try plan(), workers: [:])
        _ = fleet.event(.status(beginning))
        let all = statuses(numbers: .complete, square: .complete, report: .complete)

        #expect(fleet.event(.status(all)) == [.allowGrace])
        #expect(fleet.event(.ended(Slot("numbers", 1), .nobody, all)) == [])
        #expect(fleet.event(.ended(Slot("square", 1), .nobody, all)) == [.finish])
        #expect(fleet.event(.graceIsOver) == [])
    }

    @Test("finishes at once when there is nothing to do")
    func nothing() throws {
        var fleet = Fleet(plan: try plan(), workers: [:])

        let actions = fleet.event(.status(statuses(numbers: .complete, square: .complete, report: .complete)))

        #expect(actions == [.finish])
    }

    @Test("drains when it is told to stop, and kills when it is told again")
    func stopping() throws {
        var fleet = Fleet(plan: try plan(), workers: [:])
        _ = fleet.event(.status(beginning))

        #expect(fleet.event(.stop) == [.terminate, .allowGrace])
        #expect(fleet.event(.status(beginning)) == [])
        #expect(fleet.event(.stop) == [.kill])
        #expect(fleet.event(.stop) == [])
        #expect(fleet.event(.ended(Slot("numbers", 1), .nobody, beginning)) == [])
        #expect(fleet.event(.ended(Slot("square", 1), .halved, beginning)) == [.finish])
        #expect(fleet.isInterrupted)
    }

    @Test("finishes at once when it is told to stop before it began")
    func stoppedEarly() throws {
        var fleet = Fleet(plan: try plan(), workers: [:])

        #expect(fleet.event(.stop) == [.finish])
        #expect(fleet.event(.status(beginning)) == [])
    }

    @Test("starts workers of the selected stages alone, and ends when these have no more to do")
    func selected() throws {
        var fleet = Fleet(plan: try plan(), workers: ["square": 2], stages: ["numbers"])

        #expect(fleet.event(.status(beginning)) == [.start(Slot("numbers", 1))])
        let done = statuses(numbers: .complete, square: .ready)
        #expect(fleet.event(.status(done)) == [.allowGrace])
        #expect(fleet.event(.ended(Slot("numbers", 1), .nobody, done)) == [.finish])

        var waiting = Fleet(plan: try plan(), workers: [:], stages: ["square", "report"])
        #expect(waiting.event(.status(beginning)) == [.finish])
    }

    @Test("starts no producer that is at its limit, and has those leave who wait for more of it")
    func spent() throws {
        var fleet = Fleet(plan: try plan(), workers: [:])
        let put = statuses(numbers: .ready, square: .ready)

        #expect(fleet.event(.status(put, spent: ["numbers"])) == [.start(Slot("square", 1))])
        #expect(fleet.event(.status(put, spent: ["numbers"])) == [])
        let settled = statuses(numbers: .ready, square: .waiting)
        #expect(fleet.event(.status(settled, spent: ["numbers"])) == [.terminate, .allowGrace])
        #expect(fleet.event(.ended(Slot("square", 1), .nobody, settled, spent: ["numbers"])) == [.finish])
        #expect(!fleet.isInterrupted)
    }

    @Test("takes a producer for spent when none of its shards that have not ended may put more")
    func spentShards() {
        func record(_ stage: StageName, _ shard: ShardName, _ emitted: Int64, _ isComplete: Bool = false) -> ShardRecord
        {
            ShardRecord(id: ShardID(stage, shard), emitted: emitted, isComplete: isComplete)
        }

        let spent = ProducerLimit(5).spent([
            record("all", "a", 5), record("all", "b", 2, true), record("some", "a", 5), record("some", "b", 4),
            record("ended", "a", 9, true), record("over", "a", 8),
        ])

        #expect(spent == ["all", "over"])
    }

    @Test("always finishes once, and starts nobody after it ends, whatever happens in whatever order")
    func walks() throws {
        var generator = SplitMix64(seed: 1)
        for seed in 0..<2000 {
            generator = SplitMix64(seed: UInt64(seed))
            try walk(&generator)
        }
    }

    /// A random walk that plays the world: workers end, statuses come, and at last somebody stops it.
    private func walk(_ generator: inout SplitMix64) throws {
        var fleet = Fleet(plan: try plan(), workers: ["square": 3])
        var running: Set<Slot> = []
        var pausing: Set<Slot> = []
        var isEnding = false
        var finishes = 0
        func perform(_ actions: [Fleet.Action]) {
            for action in actions {
                switch action {
                case .start(let slot):
                    #expect(!isEnding && finishes == 0)
                    #expect(running.insert(slot).inserted)
                case .pause(let slot, _): #expect(pausing.insert(slot).inserted && !running.contains(slot))
                case .terminate, .kill: isEnding = true
                case .allowGrace: break
                case .finish:
                    finishes += 1
                    #expect(running.isEmpty)
                }
            }
        }
        for step in 0..<60 {
            let state = { (generator: inout SplitMix64) in
                StageState.allCases.randomElement(using: &generator) ?? .ready
            }
            let now = statuses(numbers: state(&generator), square: state(&generator), report: state(&generator))
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: perform(fleet.event(.status(now)))
            case 1:
                guard let slot = running.sorted().randomElement(using: &generator) else { continue }
                running.remove(slot)
                let account: DeathAccount = [.nobody, .halved, .charged, .stage][
                    Int.random(in: 0..<4, using: &generator)]
                perform(fleet.event(.ended(slot, account, now)))
            case 2:
                guard let slot = pausing.sorted().randomElement(using: &generator) else { continue }
                pausing.remove(slot)
                perform(fleet.event(.due(slot)))
            default: if step > 40 { perform(fleet.event(.stop)) }
            }
        }
        perform(fleet.event(.stop))
        isEnding = true
        for slot in running.sorted() {
            running.remove(slot)
            perform(fleet.event(.ended(slot, .nobody, beginning)))
        }
        #expect(finishes == 1)
    }

    private func plan() throws -> Plan {
        try Plan(
            pipeline: "test",
            stages: [
                StageSpec("numbers", kind: .producer, outputs: ["n"]),
                StageSpec("square", kind: .consumer, input: "n"),
                StageSpec("report", kind: .consumer, after: ["square"]),
            ])
    }

    private var beginning: [StageStatus] { statuses(numbers: .ready, square: .waiting) }

    private func statuses(
        numbers: StageState, square: StageState, report: StageState = .waiting
    ) -> [StageStatus] {
        [
            status("numbers", .producer, numbers, ready: numbers.isComplete ? 0 : 1, done: numbers.isComplete ? 1 : 0),
            status("square", .consumer, square, ready: [.running, .ready].contains(square) ? 1 : 0),
            status("report", .consumer, report),
        ]
    }
}

/// A stage's status with what matters to a test.
func status(
    _ stage: StageName, _ kind: StageKind, _ state: StageState, ready: Int64 = 0, done: Int64 = 0, dead: Int64 = 0,
    emitted: Int64 = 0, failures: Int64 = 0, isClosed: Bool = false, reason: String? = nil
) -> StageStatus {
    StageStatus(
        stage: stage, kind: kind, state: state, ready: ready, waiting: 0, leased: 0, done: done, dead: dead, skipped: 0,
        emitted: emitted, failures: failures, refused: 0, workers: 0, isClosed: isClosed, reason: reason)
}
