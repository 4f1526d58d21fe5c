internal import Leat

extension Layout {
    /// `source` → raw → `work` → made → `last`; made holds so many unsettled items, and raw twice as many.
    fileprivate static func bounded(_ capacity: Int) -> Layout {
        var narrow = StagePolicy.plain
        narrow.capacity = capacity
        var wide = StagePolicy.plain
        wide.capacity = capacity * 2
        return Layout([
            StageSpec("source", kind: .producer, outputs: ["raw"]),
            StageSpec("work", kind: .transformer, input: "raw", outputs: ["made"], policy: wide),
            StageSpec("last", kind: .consumer, input: "made", policy: narrow),
        ])
    }

    /// `work` begins ten items a second, three at once.
    fileprivate static let rated: Layout = {
        var policy = StagePolicy.plain
        policy.rate = Rate(10, per: .seconds(1), burst: 3)
        return .line(policy)
    }()

    /// The cycle, with a bound on the queue that leads back.
    fileprivate static let boundedCycle: Layout = {
        var stages = Layout.cycle.stages
        for index in stages.indices where stages[index].input == "raw" { stages[index].policy.capacity = 1 }
        return Layout(stages)
    }()
}

extension StoreConformance {
    static let limits: [Case] = bounds + rates

    private static let bounds: [Case] = [
        Case("lets nobody claim for a queue that is full, and everybody when it is no longer so", on: .bounded(3)) {
            bench in
            try await bench.fill(5)
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker, 2)
            let next = ClaimRequest("work", worker: worker, limit: 2)
            let outputs = (1...4).map { Output(.text("\($0)"), to: "made") }

            let answer = try await bench.commit(.done, of: lease, outputs: outputs, next: next)

            try equal(answer, .full("made"), "the claim that came with what made it full")
            try equal(try await bench.ask(worker), .full("made"), "another claim")
            try equal(try await bench.store.fullOutput(of: "work"), "made", "the full queue")
            try equal(try await bench.store.isFull("made"), true, "whether it is full")
            try equal(try await bench.store.isFull("raw"), false, "whether one without a bound is full")
            let last = try await bench.enroll("last")
            let taken = try await bench.claim(last, 1, of: "last")
            try equal(
                try await bench.ask(worker), .full("made"), "a claim while four are unsettled, one of them leased")
            try await bench.commit(.done, of: taken)
            try equal(try await bench.ask(worker), .full("made"), "a claim at three")
            try await bench.commit(.done, of: try await bench.claim(last, 1, of: "last"))
            try equal(try await bench.store.fullOutput(of: "work"), nil, "the full queue at two")
            try equal(try await bench.store.isFull("made"), false, "whether it is full at two")
            try equal(try await bench.claim(worker).ids, [3, 4, 5], "what is claimed at two")
        },
        Case("tells a producer that the queue it puts into is full", on: .bounded(1)) { bench in
            let hold = try await bench.open()

            let first = try await bench.store.emit(
                Emission(hold, outputs: [Output(.text("1"), to: "raw")], cursor: "1", isLast: false))
            let second = try await bench.store.emit(
                Emission(hold, outputs: [Output(.text("2"), to: "raw")], cursor: "2", isLast: false))

            try equal([first, second], [nil, "raw"], "what it was told")
        },
        Case("counts what is delayed, waits or was handed back, and not what is settled", on: .bounded(4)) { bench in
            try await bench.store.put([
                Output(.text("1"), to: "made", due: .after(.seconds(60))), Output(.text("2"), to: "made", priority: 1),
                Output(.text("3"), to: "made"), Output(.text("4"), to: "made"), Output(.text("5"), to: "made"),
            ])
            let last = try await bench.enroll("last")
            let lease = try await bench.claim(last, of: "last")
            let (one, other) = (lease.items[0].id.rawValue, lease.items[1].id.rawValue)
            try await bench.commit(
                .each([
                    ItemID(one): .failed(Failure("torn")), ItemID(other): .failed(Failure("broken", .never)),
                ]), of: lease)
            try equal(try await bench.store.fullOutput(of: "work"), "made", "with two leased and two waiting")
            try await bench.store.end(last, .stopped)
            try equal(try await bench.store.fullOutput(of: "work"), "made", "with two handed back and two waiting")

            try await bench.commit(.done, of: try await bench.claim(try await bench.enroll("last"), 1, of: "last"))

            try equal(try await bench.store.fullOutput(of: "work"), nil, "with one less")
        },
        Case("ends a stage whose input is settled although the queue behind it is full", on: .bounded(1)) { bench in
            try await bench.close(with: [Output(.text("1"), to: "raw")])
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)

            let outputs = [Output(.text("1"), to: "made"), Output(.text("2"), to: "made")]
            let answer = try await bench.commit(
                .done, of: lease, outputs: outputs, next: ClaimRequest("work", worker: worker, limit: 1))

            try equal(answer, .finished, "the claim that came with the last item")
            try equal(try await bench.status("last").isClosed, true, "closed")
        },
        Case("lets stages of one cycle go on however full their queues are", on: .boundedCycle) { bench in
            try await bench.close(with: [Output(.text("1"), to: "raw")])
            try await bench.drain(into: ["made"])
            let back = try await bench.enroll("back")
            let outputs = (1...9).map { Output(.text("\($0)"), to: "raw") }
            try await bench.store.put((1...2).map { Output(.text("\($0)"), to: "made") })

            let lease = try await bench.claim(back, 1, of: "back")
            let answer = try await bench.commit(
                .done, of: lease, outputs: outputs, next: ClaimRequest("back", worker: back, limit: 1))

            try demand(answer?.lease != nil, "a member of the cycle was held up: \(String(describing: answer))")
        },
        Case("wakes who waits for room when the queue is half empty", on: .bounded(2)) { bench in
            try await bench.fill(3, "made")
            let mark = try await bench.store.change(of: .room(in: "made"), since: nil, within: .zero)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    _ = try await bench.store.change(of: .room(in: "made"), since: mark, within: .seconds(600))
                }
                group.addTask { try await bench.drain("last") }
                try await group.waitForAll()
            }
        },
    ]

    private static let rates: [Case] = [
        Case("hands out no more than a stage's rate, whoever of its workers asks", on: .rated) { bench in
            try await bench.fill(100)
            let workers = [try await bench.enroll(), try await bench.enroll(), try await bench.enroll()]

            try equal(try await bench.claim(workers[0]).ids, [1, 2, 3], "the burst")
            try equal(
                try await bench.ask(workers[1]), .nothing(until: bench.time.wallClock + 101), "what the next is told")
            var count = 3
            for tick in 1...600 {
                bench.time.advance(by: .milliseconds(100))
                count += try await bench.ask(workers[tick % 3]).lease?.items.count ?? 0
                if count == 100 { break }
                if tick == 60 { try equal(count, 63, "items in six seconds") }
            }
            try equal(count, 100, "items in all")
        },
        Case("keeps no more of a rate than a burst over a pause, and all of it over a boot", on: .rated) { bench in
            try await bench.fill(100)
            let worker = try await bench.enroll()
            _ = try await bench.claim(worker)
            bench.time.advance(by: .seconds(3600))
            try equal(try await bench.claim(worker).items.count, 3, "items after an hour")
            try equal(try await bench.ask(worker).isNothing, true, "whether there is a fourth")

            bench.time.bootID = "boot-2"
            bench.time.instant = 5

            try equal(try await bench.claim(worker).items.count, 3, "items after a boot")
        },
        Case("finishes a stage whatever its rate", on: .rated) { bench in
            try await bench.close(with: (1...3).map { Output(.text("\($0)"), to: "raw") })
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)

            let answer = try await bench.commit(.done, of: lease, next: ClaimRequest("work", worker: worker, limit: 9))

            try equal(answer, .finished, "the claim that came with the last item")
        },
    ]
}
