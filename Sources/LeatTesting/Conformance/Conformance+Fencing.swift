internal import Leat

extension StoreConformance {
    /// Demands that a step is refused and changes nothing but the count of refusals.
    private static func expectFenced(_ bench: Bench, _ step: Step, _ what: String) async throws {
        let stage = step.stage
        let input = try await bench.items()
        let made = try await bench.items("made")
        let before = try await bench.status(stage)
        let next = ClaimRequest(stage, worker: step.worker, limit: 1)

        try await refuses(.leaseLost, what) { _ = try await bench.store.commit(step, next: next) }

        let after = try await bench.status(stage)
        try equal(try await bench.items(), input, "the input after \(what)")
        try equal(try await bench.items("made"), made, "the outputs after \(what)")
        try equal(after.refused, before.refused + 1, "refusals counted after \(what)")
        try equal(after.emitted, before.emitted, "items counted as put after \(what)")
        try equal(after.failures, before.failures, "failures counted after \(what)")
        try equal(after.done, before.done, "items counted as done after \(what)")
    }

    private static let verdicts: [(String, Verdict)] = [
        ("an acknowledgement", .done),
        ("an acknowledgement of one item", each(.done, 1)),
        ("a failure", each(.failed(Failure("late")), 1)),
        ("a permanent failure", each(.failed(Failure("late", .never)), 1)),
        ("a failure of the batch", .failedTogether(Failure("late"))),
        ("a release", .released),
        ("a release of one item", each(.released, 1)),
    ]

    /// One case for each way to lose a lease; every verdict is tried under it.
    private static func lost(
        _ how: String, _ lose: @escaping @Sendable (Bench, Lease) async throws -> Void
    ) -> Case {
        Case("invariant 2: refuses every verdict under a lease that was lost \(how), with its outputs") { bench in
            try await bench.fill(3)
            let lease = try await bench.claim(try await bench.enroll())
            try await lose(bench, lease)

            for (name, verdict) in verdicts {
                let step = Step(verdict, of: lease, outputs: [Output(.text("late"), to: "made")])
                try await expectFenced(bench, step, "\(name) under a lease that was lost \(how)")
            }
            try equal(try await bench.status().refused, Int64(verdicts.count), "refusals in all")
        }
    }

    static let fencing: [Case] = [
        lost("by stopping") { bench, lease in try await bench.store.end(lease.worker, .stopped) },
        lost("by dying") { bench, lease in try await bench.store.end(lease.worker, .killed) },
        lost("by silence") { bench, _ in
            bench.time.advance(by: bench.store.terms.duration + .seconds(1))
            _ = try await bench.store.reap(supervisor: nil)
        },
        lost("by an order to skip an item") { bench, lease in
            try await bench.store.skip(lease.items[1].id, of: "work", by: "test")
        },
        lost("by its own last step") { bench, lease in try await bench.commit(.released, of: lease) },
        lost("and is held by another worker now") { bench, lease in
            try await bench.store.end(lease.worker, .stopped)
            _ = try await bench.claim(try await bench.enroll())
        },
        Case("invariant 2: lets the new holder commit after the old one was refused") { bench in
            try await bench.fill(2)
            let old = try await bench.claim(try await bench.enroll())
            try await bench.store.end(old.worker, .silent)
            let new = try await bench.claim(try await bench.enroll())
            try demand(new.id != old.id, "the lease came back under the same number")
            try await expectFenced(bench, Step(.done, of: old), "the old holder's step")

            try await bench.commit(.done, of: new, outputs: [Output(.text("once"), to: "made")])

            try equal(try await bench.states(), [.done, .done], "states")
            try equal(try await bench.items("made").map(\.payload), [.text("once")], "outputs")
        },
        Case("invariant 2: refuses a step in the name of a worker that does not hold the lease") { bench in
            try await bench.fill(2)
            let lease = try await bench.claim(try await bench.enroll())
            let other = try await bench.enroll()

            for (name, verdict) in verdicts {
                var step = Step(verdict, of: lease, outputs: [Output(.text("x"), to: "made")])
                step.worker = other
                try await expectFenced(bench, step, "\(name) by the wrong worker")
            }

            try await bench.commit(.done, of: lease)
            try equal(try await bench.states(), [.done, .done], "states after the holder's own step")
        },
        Case("invariant 2: refuses a step in the name of another stage") { bench in
            try await bench.fill(2)
            let lease = try await bench.claim(try await bench.enroll())
            let stranger = try await bench.enroll("last")
            var step = Step(.done, of: lease)
            step.stage = "last"
            step.worker = stranger

            try await refuses(.leaseLost, "a step of another stage") {
                _ = try await bench.store.commit(step, next: nil)
            }

            try equal(try await bench.states(), [.leased, .leased], "states")
        },
        Case("invariant 2: refuses a step that names an item which its lease does not hold") { bench in
            try await bench.fill(4)
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker, 2)
            _ = try await bench.claim(try await bench.enroll(), 1)

            for (what, id): (String, Int64) in [("another lease's item", 3), ("a ready item", 4), ("no item", 99)] {
                let step = Step(
                    each(.done, 1, id), of: lease, outputs: [Output(.text("x"), to: "made")])
                try await expectFenced(bench, step, "a step that names \(what)")
            }

            try equal(try await bench.states(), [.leased, .leased, .leased, .ready], "states")
        },
        Case("invariant 2: refuses a step that names an item which was settled before") { bench in
            try await bench.fill(3)
            let lease = try await bench.claim(try await bench.enroll())
            try await bench.commit(each(.done, 2), of: lease)

            for outcome: Outcome in [.done, .failed(Failure("late")), .released] {
                let step = Step(each(outcome, 1, 2), of: lease, outputs: [Output(.text("x"), to: "made")])
                try await expectFenced(bench, step, "a second outcome of an item")
            }

            try equal(try await bench.states(), [.leased, .done, .leased], "states")
        },
    ]
}
