internal import Leat

extension StoreConformance {
    static let installing: [Case] = [
        Case("takes the same plan again, and keeps what is there") { bench in
            try await bench.fill(2)
            let run = try await bench.store.runID()

            try await bench.store.install(bench.plan)

            try equal(try await bench.store.plan(), bench.plan, "the plan")
            try equal(try await bench.store.runID(), run, "the run's id")
            try demand(!run.isEmpty, "the run has no id")
            try equal(try await bench.states(), [.ready, .ready], "states")
        },
        Case("refuses a plan with other stages, queues or edges") { bench in
            var other = Layout.line().stages
            other[1].outputs = ["made", "raw"]
            for layout in [Layout.long(), .cycle, .ending(), Layout(other)] {
                let plan = try layout.plan()
                try await refuses(.pipelineChanged, "another plan") { try await bench.store.install(plan) }
            }
            let renamed = try Plan(pipeline: "another", stages: Layout.line().stages)
            try await refuses(.pipelineChanged, "another pipeline") { try await bench.store.install(renamed) }

            try equal(try await bench.store.plan(), bench.plan, "the plan")
        },
        Case("keeps what it was last run from") { bench in
            try demand(try await bench.store.source() == nil, "a new store was run from something")
            for command in ["cat", "tac"] {
                let source = RunSource(file: "/pipelines/a b.yaml", stages: ["work": ["command": command]])

                try await bench.store.note(source)

                try equal(try await bench.store.source(), source, "the source")
            }
        },
        Case("keeps the parameters of its run, and refuses others") { bench in
            func plan(_ parameters: Parameters) throws -> Plan {
                try Plan(pipeline: "conformance", stages: Layout.line().stages, parameters: parameters)
            }
            for parameters: Parameters in [["day": "2026-11-01"], ["night": ""]] {
                try await refuses(.pipelineChanged, "other parameters") {
                    try await bench.store.install(plan(parameters))
                }
            }
            try await bench.store.install(plan([:]))
            try equal(try await bench.store.plan()?.parameters, [:], "the parameters")
        },
        Case("takes a plan with other policies, and follows them", on: .line(.strict(attempts: 1))) { bench in
            try await bench.fill(1)

            try await bench.store.install(try Layout.line(.strict(attempts: 2)).plan())

            let worker = try await bench.enroll()
            try await bench.commit(each(.failed(Failure("no")), 1), of: try await bench.claim(worker))
            try equal(try await bench.states(), [.ready], "state after one of two attempts")
        },
        Case("completes a stage when a new policy tolerates its dead", on: .line(.strict(maxDead: .atMost(0)))) {
            bench in
            try await bench.fill(1)
            try await bench.close()
            try await bench.bury(1)
            try equal(try await bench.state(), .failed, "the stage before")

            try await bench.store.install(try Layout.line(.strict(maxDead: .any)).plan())
            try await bench.store.begin(by: "test")

            try equal(try await bench.state(), .completeWithErrors, "the stage")
            try equal(try await bench.status("last").isClosed, true, "the next queue")
        },
        Case("takes new shards while their queue is open", on: .line(shards: ["jan"])) { bench in
            try await bench.store.install(try Layout.line(shards: ["jan", "feb"]).plan())

            try await bench.close("source", "jan")
            try equal(try await bench.status().isClosed, false, "closed after the old shard")
            try await bench.close("source", "feb")
            try equal(try await bench.status().isClosed, true, "closed after the new shard")
        },
        Case("invariant 5: refuses new shards when their queue is closed", on: .line(shards: ["jan"])) { bench in
            try await bench.close("source", "jan")

            let plan = try Layout.line(shards: ["jan", "feb"]).plan()
            try await refuses(.pipelineChanged, "a new shard") { try await bench.store.install(plan) }

            try equal(try await bench.status().isClosed, true, "whether the queue is closed")
        },
        Case("invariant 5: refuses new shards when what comes after their stage has ended", on: .behind(["jan"])) {
            bench in
            try await bench.close("source", "jan")
            try await bench.close("notify")
            try equal(try await bench.state("notify"), .complete, "the stage that comes after")

            let plan = try Layout.behind(["jan", "feb"]).plan()
            try await refuses(.pipelineChanged, "a new shard") { try await bench.store.install(plan) }

            try equal(try await bench.state("notify"), .complete, "the stage that comes after")
        },
    ]

    static let observing: [Case] = [
        Case("says of a stage whether it waits, is ready, runs or is complete") { bench in
            try equal(try await bench.state(), .waiting, "without work")
            try await bench.fill(2)
            try equal(try await bench.state(), .ready, "with work and no worker")
            let worker = try await bench.enroll()
            try equal(try await bench.state(), .running, "with work and a worker")
            let lease = try await bench.claim(worker)
            try equal(try await bench.state(), .running, "with all of it in hand")
            try await bench.commit(.done, of: lease)
            try equal(try await bench.state(), .waiting, "when more may come")
            try await bench.close()
            try equal(try await bench.state(), .complete, "when no more can come")
            try equal(try await bench.state("source"), .complete, "the producer")
        },
        Case("says that it has work while an item waits") { bench in
            try await bench.store.put([Output(.text("x"), to: "raw", due: .after(.seconds(5)))])
            try equal(try await bench.state(), .ready, "without a worker")
            _ = try await bench.enroll()
            try equal(try await bench.state(), .running, "with a worker")
        },
        Case(
            "blocks every stage behind a failed one, until it has work or that is mended",
            on: .long(.strict(crashes: 1))
        ) { bench in
            try await bench.fill(1)
            try await bench.store.put([Output(.text("x"), to: "end")])
            try await bench.store.end(try await bench.enroll(), .crashed("exit 1"))

            try equal(try await bench.state(), .failed, "the failed stage")
            try equal(try await bench.state("more"), .blocked, "the next stage")
            try equal(try await bench.state("last"), .ready, "a stage that has work")
            try await bench.drain("last")
            try equal(try await bench.state("last"), .blocked, "the last stage, when it has none")
            try demand(try await bench.state("source") != .blocked, "a stage upstream is blocked")
            try await bench.store.restart("work", by: "test")
            try equal(try await bench.state("more"), .waiting, "the next stage after a restart")
        },
        Case("names every stage once, in topological order, with its kind", on: .fanIn) { bench in
            let status = try await bench.store.status()

            try equal(status.map(\.stage), bench.plan.stages.map(\.name), "stages")
            try equal(status.map(\.kind), bench.plan.stages.map(\.kind), "kinds")
        },
        Case("invariant 6: balances its counts through a life with everything in it") { bench in
            try await bench.fill(12)
            let worker = try await bench.enroll()
            let first = try await bench.claim(worker, 6)
            try await bench.commit(
                each(.done, 2, 5), of: first, outputs: [Output(.text("x"), to: "made"), Output(.text("y"), to: "made")])
            try equal(try await bench.store.verify(), [], "after items were done out of order")
            try await bench.store.end(worker, .killed)
            try equal(try await bench.store.verify(), [], "after a death")
            try await bench.store.skip(ItemID(8), of: "work", by: "test")
            let other = try await bench.enroll()
            try await bench.bury(1, worker: other)
            try equal(try await bench.store.verify(), [], "after an item was buried")
            _ = try await bench.store.retry("work", by: "test")
            try await bench.drain("work", into: ["made"])
            try await bench.close()
            try equal(try await bench.store.verify(), [], "after all is done")

            try equal(try await bench.status().done, 11, "done items")
            try equal(try await bench.status().skipped, 1, "skipped items")
            try equal(try await bench.status().known, 12, "items in all")
        },
        Case("ends a wait at once when something was committed after the mark, and else when its time is over") {
            bench in
            let first = try await bench.store.change(since: nil, within: .seconds(600))
            try await bench.fill(1)
            // Of the time limit's two ends only this one is in sight of a test.
            var mark = try await bench.store.change(since: first, within: .seconds(600))
            try equal(mark == first, false, "whether the mark is the same after a commit")
            // A store may be told of its own commit once more.
            var looks = 0
            while looks < 10 {
                let next = try await bench.store.change(since: mark, within: .milliseconds(1))
                if next == mark { break }
                mark = next
                looks += 1
            }
            try equal(looks < 10, true, "whether waits come to rest")
        },
        Case("wakes who waits for work in a queue when some is put, handed back, or due later") { bench in
            let worker = try await bench.enroll()
            for step in 1...3 {
                let mark = try await bench.store.change(of: .work(in: "raw"), since: nil, within: .zero)
                switch step {
                case 1: try await bench.fill(1)
                case 2: try await bench.commit(.released, of: try await bench.claim(worker))
                default:
                    let postponed = Outcome.failed(Failure("later", .postpone(.seconds(9))))
                    try await bench.commit(each(postponed, 1), of: try await bench.claim(worker))
                }
                let next = try await bench.store.change(of: .work(in: "raw"), since: mark, within: .seconds(600))
                try equal(next == mark, false, "whether the mark is the same after step \(step)")
            }
        },
        Case("wakes all who wait for work in a queue at its end") { bench in
            let mark = try await bench.store.change(of: .work(in: "made"), since: nil, within: .zero)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 1...3 {
                    group.addTask {
                        _ = try await bench.store.change(of: .work(in: "made"), since: mark, within: .seconds(600))
                    }
                }
                group.addTask {
                    try await bench.close()
                    try await bench.store.evaluate()
                }
                try await group.waitForAll()
            }
        },
        Case("ends a wait when another commits meanwhile") { bench in
            let mark = try await bench.store.change(since: nil, within: .seconds(600))
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { _ = try await bench.store.change(since: mark, within: .seconds(600)) }
                group.addTask { try await bench.fill(1) }
                try await group.waitForAll()
            }
        },
    ]
}
