internal import Leat

extension StoreConformance {
    private static let breaker = StagePolicy.strict(breaker: Breaker())
    private static let permanent = Outcome.failed(Failure("broken", .never))

    static let breaking: [Case] = [
        Case("trips when the first five items are all dead, and refuses claims", on: .line(breaker)) { bench in
            try await bench.fill(8)
            let worker = try await bench.enroll()
            for count in 1...4 {
                try await bench.bury(1, worker: worker)
                try demand(try await bench.state() != .failed, "it tripped after \(count)")
            }

            try await bench.bury(1, worker: worker)

            let status = try await bench.status()
            try equal(status.state, .failed, "the stage")
            try demand(status.reason?.isEmpty == false, "a tripped stage gives no reason")
            try demand(try await bench.ask(worker).isRefused, "a tripped stage hands out items")
            try equal(try await bench.states().suffix(3), [.ready, .ready, .ready], "the items that are left")
            try equal(try await bench.state("last"), .blocked, "the next stage")
        },
        Case("tells of a trip in the step that causes it", on: .line(breaker)) { bench in
            try await bench.fill(8)
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker, 5)

            let next = try await bench.commit(
                .each(outcomes(lease, permanent)), of: lease, next: ClaimRequest("work", worker: worker, limit: 1))

            try demand(next?.isRefused == true, "the next claim was answered with \(String(describing: next))")
        },
        Case("trips when more than half of at least twenty are dead, not at half", on: .line(breaker)) { bench in
            try await bench.fill(30)
            let worker = try await bench.enroll()
            let good = try await bench.claim(worker, 9)
            try await bench.commit(.done, of: good)
            for _ in 1...10 { try await bench.bury(1, worker: worker) }
            try demand(try await bench.state() != .failed, "it tripped at 10 dead of 19")
            try await bench.commit(.done, of: try await bench.claim(worker, 1))
            try demand(try await bench.state() != .failed, "it tripped at 10 dead of 20")

            try await bench.bury(1, worker: worker)

            try equal(try await bench.state(), .failed, "the stage at 11 dead of 21")
        },
        Case("never trips without a breaker") { bench in
            try await bench.fill(30)
            try await bench.bury(29)

            try equal(try await bench.claim(try await bench.enroll()).ids, [30], "a claim")
        },
        Case("commits what a worker held when its stage tripped", on: .line(breaker)) { bench in
            try await bench.fill(7)
            let held = try await bench.claim(try await bench.enroll(), 2)
            try await bench.bury(5)
            try equal(try await bench.state(), .failed, "the stage")

            try await bench.commit(.done, of: held, outputs: [Output(.text("x"), to: "made")])

            try equal(try await bench.states().prefix(2), [.done, .done], "states")
            try equal(try await bench.items("made").count, 1, "outputs")
            try equal(try await bench.state(), .failed, "the stage afterwards")
        },
        Case("closes nothing while it is tripped, even when all is settled", on: .line(breaker)) { bench in
            try await bench.fill(5)
            try await bench.close()

            try await bench.bury(5)

            try equal(try await bench.state(), .failed, "the stage")
            try equal(try await bench.status("last").isClosed, false, "the next queue")
            try await bench.store.begin(by: "test")
            try equal(try await bench.status("last").isClosed, true, "the next queue after a new beginning")
            try equal(try await bench.state(), .completeWithErrors, "the stage after a new beginning")
        },
        Case("hands out again after a restart, and judges anew", on: .line(breaker)) { bench in
            try await bench.fill(11)
            let worker = try await bench.enroll()
            try await bench.bury(5, worker: worker)

            try await bench.store.restart("work", by: "test")

            try equal(try await bench.status().reason, nil, "the reason")
            for _ in 1...4 { try await bench.bury(1, worker: worker) }
            try demand(try await bench.state() != .failed, "it tripped by what was before the restart")
            try await bench.bury(1, worker: worker)
            try equal(try await bench.state(), .failed, "the stage after five more")
        },
        Case("hands out again after a new beginning, in every stage", on: .line(breaker)) { bench in
            try await bench.fill(6)
            let worker = try await bench.enroll()
            try await bench.bury(5, worker: worker)

            try await bench.store.begin(by: "test")

            try equal(try await bench.claim(worker).ids, [6], "a claim")
        },
        Case("hands out again after a retry", on: .line(breaker)) { bench in
            try await bench.fill(5)
            let worker = try await bench.enroll()
            try await bench.bury(5, worker: worker)

            try equal(try await bench.store.retry("work", by: "test"), 5, "items retried")

            try equal(try await bench.claim(worker).ids.sorted(), [1, 2, 3, 4, 5], "a claim")
        },
        Case("counts deaths by crashing items too", on: .line(.strict(breaker: Breaker(firstAllDead: 1)))) { bench in
            try await bench.fill(3)
            try await bench.store.skip(ItemID(2), of: "work", by: "test")
            try await bench.store.skip(ItemID(3), of: "work", by: "test")
            for _ in 1...2 {
                let worker = try await bench.enroll()
                _ = try await bench.claim(worker)
                try await bench.store.end(worker, .crashed("abort"))
            }

            try equal(try await bench.states().first, .dead, "the item")
            try equal(try await bench.state(), .failed, "the stage")
        },
        Case("fails a stage whose workers crash too often without an item in hand", on: .line(.strict(crashes: 3))) {
            bench in
            try await bench.fill(1)
            for crash in 1...3 {
                try demand(try await bench.state() != .failed, "it failed after \(crash - 1)")
                let worker = try await bench.enroll()
                try equal(
                    try await bench.store.end(worker, .crashed("exit 1")), .stage, "whom the crash was charged to")
            }

            try equal(try await bench.state(), .failed, "the stage")
            let worker = try await bench.enroll()
            try demand(try await bench.ask(worker).isRefused, "a stage that crashed too often hands out items")
            try await bench.store.restart("work", by: "test")
            try equal(try await bench.claim(worker).ids, [1], "a claim after a restart")
        },
        Case("forgets crashes when the stage makes progress", on: .line(.strict(crashes: 2))) { bench in
            try await bench.fill(4)
            for _ in 1...4 {
                try await bench.store.end(try await bench.enroll(), .crashed("exit 1"))
                let worker = try await bench.enroll()
                try await bench.commit(.done, of: try await bench.claim(worker, 1))
                try await bench.store.end(worker, .stopped)
            }

            try demand(try await bench.state() != .failed, "it failed by crashes with progress between them")
            try await bench.store.end(try await bench.enroll(), .crashed("exit 1"))
            try await bench.store.end(try await bench.enroll(), .crashed("exit 1"))
            try equal(try await bench.state(), .failed, "the stage after two in a row")
        },
        Case("counts a producer's deaths by SIGKILL by the budget for kills", on: .line(.strict(crashes: 2, kills: 4)))
        {
            bench in
            for kill in 1...4 {
                try demand(try await bench.state("source") != .failed, "it failed after \(kill - 1) kills")
                let account = try await bench.store.end(try await bench.open().worker, .killed)
                try equal(account, .stage, "whom kill \(kill) was charged to")
            }

            try equal(try await bench.state("source"), .failed, "the stage")
        },
        Case("charges nobody when a worker is killed that only waited", on: .line(.strict(crashes: 1, kills: 1))) {
            bench in
            for _ in 1...3 {
                try equal(
                    try await bench.store.end(try await bench.enroll(), .killed), .nobody, "whom it is charged to")
            }

            try demand(try await bench.state() != .failed, "it failed by kills of workers that only waited")
        },
        Case("counts no end that was asked for", on: .line(.strict(crashes: 1))) { bench in
            for ending: WorkerEnding in [.finished, .stopped, .rebooted, .silent] {
                try equal(try await bench.store.end(try await bench.enroll(), ending), .nobody, "the charge")
            }

            try demand(try await bench.state() != .failed, "it failed by ends that were asked for")
        },
        Case("opens no shard of a tripped producer", on: .line(.strict(crashes: 1))) { bench in
            try await bench.store.end(try await bench.open().worker, .crashed("exit 1"))
            let worker = try await bench.enroll("source")

            guard case .refused(let reason) = try await bench.store.open(ShardID("source"), by: worker) else {
                throw ConformanceFailure("a tripped producer was opened", file: #fileID, line: #line)
            }

            try demand(!reason.isEmpty, "no reason is given")
            try equal(try await bench.state("source"), .failed, "the stage")
            try equal(try await bench.store.retry("source", by: "test"), 0, "items of a producer that were retried")
            _ = try await bench.open(by: worker)
        },
    ]
}
