internal import Leat

extension StoreConformance {
    /// The whole input of a stage that takes all.
    private static func all(_ bench: Bench, _ worker: WorkerID, of stage: StageName = "total") async throws -> Lease {
        let answer = try await bench.store.claimAll(stage, worker: worker)
        guard let lease = answer.lease else {
            throw ConformanceFailure("the input of '\(stage)' was not granted: \(answer)", file: #fileID, line: #line)
        }
        return lease
    }

    /// Runs everything up to the end of `total`, with so many items.
    private static func runToTheEnd(_ bench: Bench, items: Int) async throws {
        try await bench.fill(items)
        try await bench.close()
        try await bench.drain("work", into: ["made"])
        let worker = try await bench.enroll("total")
        try await bench.commit(.done, of: try await all(bench, worker), ends: true)
        try await bench.store.end(worker, .finished)
    }

    static let endings: [Case] = [
        Case("hands out a whole input as one lease when it is closed, not before", on: .ending()) { bench in
            try await bench.fill(3, "made")
            let worker = try await bench.enroll("total")
            try demand(
                try await bench.store.claimAll("total", worker: worker).isNothing, "the input was granted while open")
            try await bench.close()

            let lease = try await all(bench, worker)

            try equal(lease.ids, [1, 2, 3], "items of the lease")
            let other = try await bench.enroll("total")
            try demand(
                try await bench.store.claimAll("total", worker: other).isNothing, "the input was granted twice")
            try demand(!(try await bench.state("total").isComplete), "it is complete before its ending")
            try await bench.commit(.done, of: lease, ends: true)
            try equal(try await bench.state("total"), .complete, "the stage")
            try equal(try await bench.store.claimAll("total", worker: worker), .finished, "a claim after the ending")
        },
        Case("counts each claim of a whole input, whatever became of the workers before", on: .ending()) { bench in
            try await bench.fill(2, "made")
            try await bench.close()

            for count in 1...3 {
                let worker = try await bench.enroll("total")
                let lease = try await all(bench, worker)
                try equal(lease.items.map(\.claims), [count, count], "claims")
                try await bench.store.end(worker, .silent)
            }
        },
        Case("hands out a whole input only when none of it waits", on: .ending()) { bench in
            try await bench.store.put([
                Output(.text("a"), to: "made"), Output(.text("b"), to: "made", due: .after(.seconds(2))),
            ])
            try await bench.close()
            let worker = try await bench.enroll("total")
            try demand(
                try await bench.store.claimAll("total", worker: worker).isNothing, "it was granted with a part missing")

            bench.time.advance(by: .seconds(2))

            try equal(try await all(bench, worker).ids.sorted(), [1, 2], "items of the lease")
        },
        Case("lets a stage that takes all end on an empty input", on: .ending()) { bench in
            try await bench.close()
            try demand(!(try await bench.state("total").isComplete), "it is complete without having run")

            let lease = try await all(bench, try await bench.enroll("total"))
            try equal(lease.items, [], "items of the lease")
            try await bench.commit(.done, of: lease, ends: true)

            try equal(try await bench.state("total"), .complete, "the stage")
        },
        Case(
            "invariant 2: hands an empty input that is taken as a whole to one worker, whose death counts",
            on: .ending()
        ) {
            bench in
            try await bench.close()
            let first = try await bench.enroll("total")
            let early = try await all(bench, first)
            let second = try await bench.enroll("total")
            try demand(
                try await bench.store.claimAll("total", worker: second).isNothing, "the input was granted twice")

            try equal(try await bench.store.end(first, .killed), .stage, "whom the death was charged to")

            try await refuses(.leaseLost, "a late ending") { try await bench.commit(.done, of: early, ends: true) }
            let third = try await all(bench, second)
            try equal(try await bench.store.end(second, .stopped), .nobody, "whom the end was charged to")
            try await refuses(.leaseLost, "a later ending") { try await bench.commit(.done, of: third, ends: true) }
            try await bench.commit(.done, of: try await all(bench, try await bench.enroll("total")), ends: true)
            try equal(try await bench.state("total"), .complete, "the stage")
        },
        Case("charges a failure of a whole input to the stage, until it trips", on: .ending(.strict(crashes: 2))) {
            bench in
            try await bench.fill(3, "made")
            try await bench.close()
            let worker = try await bench.enroll("total")
            for _ in 1...2 {
                try demand(try await bench.state("total") != .failed, "it has failed too early")
                try await bench.commit(.failedTogether(Failure("torn")), of: try await all(bench, worker))
                try equal(try await bench.items("made").map(\.suspect), [0, 0, 0], "suspicion")
            }

            try equal(try await bench.state("total"), .failed, "the stage")
        },
        Case("puts the outputs of a stage that takes all together with its ending", on: .sorting) { bench in
            try await bench.fill(2, "made")
            try await bench.close()
            let lease = try await all(bench, try await bench.enroll("sort"), of: "sort")
            try equal(try await bench.status("last").isClosed, false, "closed before the ending")

            try await bench.commit(.done, of: lease, outputs: [Output(.text("sorted"), to: "end")], ends: true)

            try equal(try await bench.items("end").map(\.payload), [.text("sorted")], "outputs")
            try equal(try await bench.status("last").isClosed, true, "closed after the ending")
            try equal(try await bench.state("sort"), .complete, "the stage")
        },
        Case("charges a death with a whole input to the stage and suspects no item", on: .ending(.strict(crashes: 2))) {
            bench in
            try await bench.fill(3, "made")
            try await bench.close()
            for death in 1...2 {
                let worker = try await bench.enroll("total")
                _ = try await all(bench, worker)
                try equal(
                    try await bench.store.end(worker, .crashed("abort")), .stage, "whom death \(death) was charged to")
                try equal(try await bench.states("made"), [.ready, .ready, .ready], "states")
                try equal(try await bench.items("made").map(\.suspect), [0, 0, 0], "suspicion")
            }

            try equal(try await bench.state("total"), .failed, "the stage")
            let worker = try await bench.enroll("total")
            try demand(
                try await bench.store.claimAll("total", worker: worker).isRefused,
                "a tripped stage was handed its input")
        },
        Case("hands a whole input back when its worker is stopped", on: .ending()) { bench in
            try await bench.fill(3, "made")
            try await bench.close()
            let worker = try await bench.enroll("total")
            let old = try await all(bench, worker)

            try equal(try await bench.store.end(worker, .stopped), .nobody, "whom the end was charged to")

            try await refuses(.leaseLost, "a late ending") { try await bench.commit(.done, of: old, ends: true) }
            try demand(!(try await bench.state("total").isComplete), "it is complete by a refused step")
            let lease = try await all(bench, try await bench.enroll("total"))
            try equal(lease.ids.sorted(), [1, 2, 3], "items of the next lease")
        },
        Case("opens a stage that comes after others when they are complete, once", on: .ending()) { bench in
            let notifier = try await bench.enroll("notify")
            try equal(try await bench.store.open(ShardID("notify"), by: notifier), .notYet, "before")
            try await runToTheEnd(bench, items: 1)

            let hold = try await bench.open("notify", by: notifier)
            try demand(!(try await bench.state("notify").isComplete), "it is complete before it ran")
            try await bench.store.emit(Emission(hold, outputs: [], cursor: nil, isLast: true))

            try equal(try await bench.state("notify"), .complete, "the stage")
            try equal(try await bench.store.open(ShardID("notify"), by: notifier), .complete, "afterwards")
        },
        Case("opens a stage that comes after one which is complete with errors", on: .ending()) { bench in
            try await bench.fill(2)
            try await bench.close()
            try await bench.bury(1)
            try await runRest(bench)

            try equal(try await bench.state("work"), .completeWithErrors, "the stage with a dead item")
            _ = try await bench.open("notify")
        },
        Case("keeps a stage that comes after another waiting while that has failed", on: .ending(.strict(crashes: 1))) {
            bench in
            try await bench.close()
            try await bench.store.end(try await bench.enroll("total"), .crashed("abort"))
            let notifier = try await bench.enroll("notify")

            try equal(try await bench.store.open(ShardID("notify"), by: notifier), .notYet, "the answer")
        },
        Case(
            "invariant 5: makes endings stale when a retry reopens what they ended on, and lets them run again",
            on: .ending()
        ) { bench in
            try await bench.fill(3)
            try await bench.close()
            try await bench.bury(1)
            try await runRest(bench)
            try await bench.close("notify")
            try equal(try await bench.state("notify"), .complete, "the last stage")

            try equal(try await bench.store.retry("work", by: "test"), 1, "items retried")
            try equal(try await bench.status("total").isClosed, false, "closed after the retry")
            try equal(try await bench.state("total"), .stale, "the stage that takes all")
            try equal(try await bench.state("notify"), .stale, "the stage that comes after it")
            let notifier = try await bench.enroll("notify")
            try equal(try await bench.store.open(ShardID("notify"), by: notifier), .notYet, "opening it too early")
            try await bench.drain("work", into: ["made"])
            try equal(try await bench.status("total").isClosed, true, "closed when the item is done")
            let lease = try await all(bench, try await bench.enroll("total"))
            try equal(lease.ids.sorted(), [1, 2, 3], "the whole input, the settled part of it too")
            try equal(try await bench.store.verify(), [], "discrepancies while it is claimed again")
            try await bench.commit(.done, of: lease, ends: true)
            let hold = try await bench.open("notify", by: notifier)
            try await bench.store.emit(Emission(hold, outputs: [], cursor: nil, isLast: true))

            try equal(
                try await bench.store.status().map(\.state), Array(repeating: .complete, count: 4), "states")
            try equal(try await bench.status("total").done, 3, "done items")
        },
        Case("refuses a retry when a stage that takes all has passed its outputs on", on: .sorting) { bench in
            try await bench.fill(2)
            try await bench.close()
            try await bench.bury(1)
            try await bench.drain("work", into: ["made"])
            let lease = try await all(bench, try await bench.enroll("sort"), of: "sort")
            try await bench.commit(.done, of: lease, outputs: [Output(.text("sorted"), to: "end")], ends: true)

            try await refuses(.refused, "the retry") { _ = try await bench.store.retry("work", by: "test") }

            try equal(try await bench.states(), [.dead, .done], "states")
            try equal(try await bench.status("last").isClosed, true, "whether the last queue is closed")
        },
    ]

    private static func runRest(_ bench: Bench) async throws {
        try await bench.drain("work", into: ["made"])
        let worker = try await bench.enroll("total")
        try await bench.commit(.done, of: try await all(bench, worker), ends: true)
        try await bench.store.end(worker, .finished)
    }
}
