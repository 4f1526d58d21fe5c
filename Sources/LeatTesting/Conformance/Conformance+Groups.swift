internal import Leat

extension Bench {
    /// Puts items, each as its group and a number within it: "a1" is the first of group a.
    fileprivate func put(_ names: String..., to queue: QueueName = "raw") async throws {
        try await store.put(names.map { Output(.text($0), to: queue, group: String($0.prefix(1))) })
    }

    fileprivate func names(_ worker: WorkerID, _ limit: Int = 100) async throws -> (lease: Lease, names: [String]) {
        let lease = try await claim(worker, limit)
        return (lease, lease.items.map { String(decoding: $0.payload.bytes, as: UTF8.self) })
    }
}

extension StoreConformance {
    static let groups: [Case] = turns + failingGroups

    private static let turns: [Case] = [
        Case("hands out one item of a group at a time, in order, and different groups side by side") { bench in
            try await bench.put("a1", "a2", "b1", "a3", "b2", "c1")
            let (first, second) = (try await bench.enroll(), try await bench.enroll())

            let held = try await bench.names(first)
            try equal(held.names, ["a1", "b1", "c1"], "the first of each group")
            try equal(try await bench.ask(second), .nothing(until: nil), "a claim while all groups are held")
            try equal(
                try await bench.states(), [.leased, .waiting, .leased, .waiting, .waiting, .leased],
                "states of those that are held and of those behind them")
            try equal(try await bench.items().map(\.group), ["a", "a", "b", "a", "b", "c"], "groups")
            try equal(try await bench.status().waiting, 3, "waiting items")

            try await bench.commit(each(.done, 1), of: held.lease)
            let next = try await bench.names(second)
            try equal(next.names, ["a2"], "what follows in the group that went on")
            try await bench.commit(each(.done, 3, 6), of: held.lease)
            try equal(try await bench.names(first).names, ["b2"], "what follows in the other group")
            try await bench.commit(.done, of: next.lease)
            try equal(try await bench.names(second).names, ["a3"], "the last of the group")
        },
        Case("gives the next item of a group with the step that settles the one before it") { bench in
            try await bench.put("a1", "a2", "a3")
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)

            let next = try await bench.commit(
                .done, of: lease, next: ClaimRequest("work", worker: worker, limit: 10))

            try equal(next?.lease?.ids, [2], "the items of the claim that came with the step")
        },
        Case("holds up nothing outside the group, before it or after it") { bench in
            try await bench.fill(2)
            try await bench.put("a1", "a2")
            try await bench.fill(2)
            let worker = try await bench.enroll()

            try equal(try await bench.claim(worker).ids.sorted(), [1, 2, 3, 5, 6], "what is claimed")
        },
        Case("begins a group anew when all of it is settled") { bench in
            try await bench.put("a1")
            try await bench.drain()
            try await bench.put("a2", "a3")

            try equal(try await bench.states(), [.done, .ready, .waiting], "states")
        },
        Case("waits for a delayed item of a group before it goes on with those behind it") { bench in
            try await bench.store.put([
                Output(.text("a1"), to: "raw", group: "a", due: .after(.seconds(10))),
                Output(.text("a2"), to: "raw", group: "a"),
            ])
            let worker = try await bench.enroll()
            let due = bench.time.wallClock + 10_000

            try equal(try await bench.ask(worker), .nothing(until: due), "a claim before the first is due")
            bench.time.advance(by: .seconds(10))
            let lease = try await bench.claim(worker)
            try equal(lease.ids, [1], "what is claimed when it is due")
            try await bench.commit(.done, of: lease)
            try equal(try await bench.claim(worker).ids, [2], "what follows")
        },
        Case("counts the delay of an item behind others from its put on") { bench in
            try await bench.store.put([
                Output(.text("a1"), to: "raw", group: "a"),
                Output(.text("a2"), to: "raw", group: "a", due: .after(.seconds(10))),
                Output(.text("a3"), to: "raw", group: "a", due: .after(.seconds(1))),
            ])
            let due = bench.time.wallClock + 10_000
            let worker = try await bench.enroll()
            let first = try await bench.claim(worker)
            bench.time.advance(by: .seconds(3))
            try await bench.commit(.done, of: first)

            try equal(try await bench.ask(worker), .nothing(until: due), "a claim before the second is due")
            bench.time.advance(by: .seconds(7))
            let second = try await bench.claim(worker)
            try equal(second.ids, [2], "the second")
            try await bench.commit(.done, of: second)
            try equal(try await bench.claim(worker).ids, [3], "the third, which was due before its turn")
        },
        Case("finishes a stage only when all of its groups are through") { bench in
            try await bench.put("a1", "a2")
            try await bench.close()
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)
            try await bench.commit(.done, of: lease)
            try equal(try await bench.state("last").isComplete, false, "completeness of what follows")

            try await bench.drain()

            try equal(try await bench.state(), .complete, "state of the stage")
        },
        Case("takes no account of groups in a queue that is taken as a whole", on: .ending()) { bench in
            try await bench.store.put(["a1", "a2"].map { Output(.text($0), to: "made", group: "a") })
            try equal(try await bench.states("made"), [.ready, .ready], "states")
            try await bench.close()

            let claim = try await bench.store.claimAll("total", worker: try await bench.enroll("total"))

            try equal(claim.lease?.ids, [1, 2], "what is claimed")
            if let lease = claim.lease { try await bench.commit(.done, of: lease, ends: true) }
        },
    ]

    private static let failingGroups: [Case] = [
        Case("keeps a group waiting while its first item backs off") { bench in
            try await bench.put("a1", "a2")
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)
            try await bench.commit(each(.failed(Failure("not now")), 1), of: lease)

            try demand(try await bench.ask(worker).isNothing, "something was handed out while the first backs off")
            bench.time.advance(by: .seconds(1))
            try equal(try await bench.claim(worker).ids, [1], "what is claimed after the back-off")
        },
        Case("goes on with a group when an item of it is dead, and lets it take the next turn when it is retried") {
            bench in
            try await bench.put("a1", "a2", "a3")
            let worker = try await bench.enroll()
            try await bench.bury(1, worker: worker)
            let second = try await bench.claim(worker)
            try equal(second.ids, [2], "what follows the dead one")

            try equal(try await bench.store.retry("work", by: "test"), 1, "retried items")
            try equal(try await bench.states(), [.waiting, .leased, .waiting], "states after the retry")
            try await bench.commit(.done, of: second)
            let third = try await bench.claim(worker)
            try equal(third.ids, [1], "whose turn it is")
            try await bench.commit(.done, of: third)
            try equal(try await bench.claim(worker).ids, [3], "the last one")
        },
        Case("goes on with a group when an item of it is skipped, held or waiting behind another") { bench in
            try await bench.put("a1", "a2", "a3")
            let worker = try await bench.enroll()
            _ = try await bench.claim(worker)

            try await bench.store.skip(ItemID(2), of: "work", by: "test")
            try equal(try await bench.states(), [.leased, .skipped, .waiting], "states after the second was skipped")
            try await bench.store.skip(ItemID(1), of: "work", by: "test")

            try equal(try await bench.states(), [.skipped, .skipped, .ready], "states after the first was skipped")
        },
        Case("invariant 2: gives a group's turn back with the items of a worker that died") { bench in
            try await bench.put("a1", "a2", "b1")
            let dead = try await bench.enroll()
            let lost = try await bench.claim(dead)
            try await bench.store.end(dead, .stopped)

            let worker = try await bench.enroll()
            try equal(try await bench.claim(worker).ids, [1, 3], "what the next worker gets")
            try await refuses(.leaseLost, "the dead worker's step") { try await bench.commit(.done, of: lost) }
            try equal(try await bench.states(), [.leased, .waiting, .leased], "states")
        },
        Case("charges a culprit of a group alone, and keeps the others of it waiting meanwhile") { bench in
            try await bench.put("a1", "a2", "b1")
            for _ in 1...2 {
                let worker = try await bench.enroll()
                _ = try await bench.claim(worker)
                try await bench.store.end(worker, .crashed("signal 11"))
            }
            let states = try await bench.states()

            try equal(states[1], .waiting, "the state of the one behind")
            try equal(try await bench.item(3).attempts + bench.item(1).attempts, 1, "attempts charged")
        },
    ]
}
