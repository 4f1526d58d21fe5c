internal import Leat

extension StoreConformance {
    private static let backing = StagePolicy(
        retry: RetryPolicy(attempts: 5, base: .milliseconds(400), cap: .seconds(1), jitter: 0.5), breaker: .off)

    static let failing: [Case] = [
        Case(
            "waits after each failure exactly as long as the policy says, and gives up after the last",
            on: .line(backing)
        ) { bench in
            try await bench.fill(1)
            bench.time.fixedChance = 0.5
            let worker = try await bench.enroll()

            // 400, 800, then the cap of 1,000 milliseconds, of which chance takes off half of a half.
            for (failure, wait): (Int, Int64) in [(1, 300), (2, 600), (3, 750), (4, 750)] {
                let lease = try await bench.claim(worker)
                try equal(lease.items.map(\.attempts), [failure - 1], "attempts before failure \(failure)")
                try await bench.commit(each(.failed(Failure("no luck")), 1), of: lease)
                let due = bench.time.wallClock + wait
                try equal(try await bench.item(1).state, .waiting, "state after failure \(failure)")
                try equal(try await bench.item(1).attempts, failure, "attempts after failure \(failure)")
                try equal(try await bench.ask(worker), .nothing(until: due), "claim after failure \(failure)")
                bench.time.advance(by: .milliseconds(wait - 1))
                try equal(try await bench.ask(worker), .nothing(until: due), "claim a millisecond too early")
                bench.time.advance(by: .milliseconds(1))
                try equal(try await bench.item(1).state, .ready, "state when it is due")
            }
            let lease = try await bench.claim(worker)
            try await bench.commit(each(.failed(Failure("no luck at all")), 1), of: lease)

            let item = try await bench.item(1)
            try equal(item.state, .dead, "state after the last failure")
            try equal(item.attempts, 5, "attempts")
            try equal(item.reason, "no luck at all", "reason")
            try equal(try await bench.status().failures, 5, "failures counted")
        },
        Case("makes a failed item ready at once when the policy has no delay", on: .line(.strict(attempts: 2))) {
            bench in
            try await bench.fill(1)
            let worker = try await bench.enroll()
            try await bench.commit(each(.failed(Failure("no")), 1), of: try await bench.claim(worker))

            try equal(try await bench.states(), [.ready], "state")
            try equal(try await bench.claim(worker).items.map(\.attempts), [1], "attempts in the next lease")
        },
        Case("buries an item at once when its failure is permanent") { bench in
            try await bench.fill(2)
            let lease = try await bench.claim(try await bench.enroll())

            try await bench.commit(each(.failed(Failure("not a number", .never)), 2), of: lease)

            let item = try await bench.item(2)
            try equal(item.state, .dead, "state")
            try equal(item.attempts, 1, "attempts")
            try equal(item.reason, "not a number", "reason")
            try equal(try await bench.status().dead, 1, "dead items")
            try equal(try await bench.status().failures, 1, "failures")
        },
        Case("shows dead letters with their stage, attempts, reason and payload", on: .line(.strict(attempts: 2))) {
            bench in
            try await bench.fill(3)
            try await bench.store.put([Output(.text("other"), to: "made")])
            let worker = try await bench.enroll()
            for _ in 1...2 {
                let lease = try await bench.claim(worker)
                try await bench.commit(each(.failed(Failure("twice")), 2), of: lease)
                try await bench.commit(.released, of: lease)
            }
            try await bench.bury(1, of: "last")

            let mine = try await bench.store.deadLetters(of: "work", limit: 10)
            let all = try await bench.store.deadLetters(of: nil, limit: 10)

            let letter = DeadLetter(
                stage: "work", queue: "raw", item: ItemID(2), attempts: 2, reason: "twice", payload: .text("2"))
            try equal(mine, [letter], "the stage's dead letters")
            try equal(all.map(\.reason).sorted(), ["broken", "twice"], "reasons of all dead letters")
            try equal(try await bench.store.deadLetters(of: nil, limit: 1).count, 1, "dead letters within a limit")
        },
        Case("invariant 3: halves a batch that failed as a whole and charges nobody") { bench in
            try await bench.fill(5)
            let lease = try await bench.claim(try await bench.enroll())
            try await bench.commit(each(.done, 1), of: lease)
            try await bench.commit(
                .failedTogether(Failure("torn")), of: lease, outputs: [])

            let items = try await bench.items().suffix(4)
            try equal(items.map(\.state), [.ready, .ready, .ready, .ready], "states")
            try equal(items.map(\.attempts), [0, 0, 0, 0], "attempts")
            try equal(items.map(\.suspect), [2, 2, 2, 2], "suspicion")
            try equal(items.map(\.claims), [1, 1, 1, 1], "claims")
        },
        Case("invariant 3: halves until the culprit stands alone, and its neighbours are never charged") { bench in
            try await bench.fill(9)
            let culprit = ItemID(6)
            let worker = try await bench.enroll()

            var steps = 0
            while try await bench.item(6).state != .dead {
                steps += 1
                try demand(steps < 60, "the culprit was not found in 60 steps")
                guard let lease = try await bench.ask(worker).lease else {
                    bench.time.advance(by: .seconds(5))
                    continue
                }
                for item in lease.items where item.id != culprit {
                    try equal(item.attempts, 0, "attempts of the innocent item \(item.id)")
                }
                if lease.items.contains(where: { $0.id == culprit }) {
                    try await bench.commit(.failedTogether(Failure("poison")), of: lease)
                } else {
                    try await bench.commit(.done, of: lease)
                }
                for item in try await bench.items() where item.id != culprit && item.state != .done {
                    try equal(item.attempts, 0, "attempts of the innocent item \(item.id)")
                }
            }
            try await bench.drain()

            let culprits = try await bench.items().filter { $0.state == .dead }
            try equal(culprits.map(\.id), [culprit], "dead items")
            try equal(culprits.map(\.attempts), [3], "its attempts")
            try equal(culprits.map(\.reason), ["poison"], "its reason")
            try equal(try await bench.status().done, 8, "done items")
        },
        Case("takes the failure of a batch of one for that item's failure") { bench in
            try await bench.fill(1)
            let lease = try await bench.claim(try await bench.enroll())

            try await bench.commit(.failedTogether(Failure("mine")), of: lease)

            let item = try await bench.item(1)
            try equal(item.state, .waiting, "state")
            try equal(item.attempts, 1, "attempts")
            try equal(item.suspect, 0, "suspicion")
            try equal(try await bench.status().failures, 1, "failures")
        },
        Case("keeps a suspect's limit when it is handed back, and clears it when it has failed") { bench in
            try await bench.fill(4)
            let worker = try await bench.enroll()
            try await bench.commit(.failedTogether(Failure("torn")), of: try await bench.claim(worker))
            let pair = try await bench.claim(worker)
            try equal(pair.items.count, 2, "items of a suspect lease")

            try await bench.commit(
                .each([pair.items[0].id: .released, pair.items[1].id: .failed(Failure("bad"))]), of: pair)

            try equal(try await bench.item(pair.ids[0]).suspect, 2, "limit of the item that was handed back")
            try equal(try await bench.item(pair.ids[1]).suspect, 0, "limit of the item that failed")
        },
        Case("puts the outputs of a step that fails some of its items") { bench in
            try await bench.fill(2)
            let lease = try await bench.claim(try await bench.enroll())

            try await bench.commit(
                .each([ItemID(1): .done, ItemID(2): .failed(Failure("no", .never))]), of: lease,
                outputs: [Output(.text("x"), to: "made", parent: ItemID(1))])

            try equal(try await bench.states(), [.done, .dead], "states")
            try equal(try await bench.items("made").map(\.payload), [.text("x")], "outputs")
        },
        Case("keeps each attempt that failed, an item's and the stage's own, the last one first", on: .line(.strict()))
        {
            bench in
            try await bench.fill(2)
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)
            let later = Failure("put off", .postpone(.seconds(1)))
            try await bench.commit(
                .each([ItemID(1): .failed(Failure("no", .never)), ItemID(2): .failed(later)]), of: lease)
            bench.time.advance(by: .seconds(1))
            try await bench.store.end(worker, .failed(Failure("the disk is broken")))
            let moment = bench.time.wallClock

            let work = StageName("work")
            let own = AttemptRecord(
                stage: work, item: nil, worker: worker, failedAt: moment, error: "the disk is broken")
            let item = AttemptRecord(
                stage: work, item: ItemID(1), worker: worker, failedAt: moment - 1000, error: "no")
            try equal(try await bench.store.attempts(of: nil, item: nil, limit: 9), [own, item], "all")
            try equal(try await bench.store.attempts(of: work, item: ItemID(1), limit: 9), [item], "an item's")
            try equal(try await bench.store.attempts(of: work, item: nil, limit: 1), [own], "the last one")
            try equal(try await bench.store.attempts(of: "last", item: nil, limit: 9), [], "another stage's")
        },
        Case("keeps what a failed attempt left to look at, of an item's and of the stage's own", on: .line(.strict())) {
            bench in
            try await bench.fill(2)
            let worker = try await bench.enroll()
            // Control characters are kept as they are: whoever shows them escapes them.
            let said = Evidence(exitStatus: 3, duration: .milliseconds(1250), errorOutput: "one\n\u{1B}[2Jtwo\n")
            let killed = Evidence(exitStatus: 137)
            let ours = Evidence(exitStatus: 127, duration: .milliseconds(4), errorOutput: "not found")

            let lease = try await bench.claim(worker, 1)
            try await bench.commit(each(.failed(Failure("said", evidence: said)), 1), of: lease)
            try await bench.commit(
                .failedTogether(Failure("killed", evidence: killed)), of: try await bench.claim(worker, 1))
            try await bench.store.end(worker, .failed(Failure("no such command", evidence: ours)))

            let moment = bench.time.wallClock
            let wanted: [(ItemID?, String, Evidence)] = [
                (nil, "no such command", ours), (ItemID(2), "killed", killed), (ItemID(1), "said", said),
            ]
            try equal(
                try await bench.store.attempts(of: "work", item: nil, limit: 9),
                wanted.map { item, error, evidence in
                    AttemptRecord(
                        stage: "work", item: item, worker: worker, failedAt: moment, error: error, evidence: evidence)
                }, "attempts")
            try equal(
                try await bench.store.deadLetters(of: "work", limit: 9).map(\.errorOutput), [said.errorOutput, nil],
                "what the last attempts of the dead letters left")
        },
        Case("shows beside a dead letter what its last attempt left, and nothing of those before") { bench in
            try await bench.fill(1)
            for output in ["first", "second", "third"] {
                let lease = try await bench.claim(try await bench.enroll())
                let failure = Failure("no", evidence: Evidence(errorOutput: output))
                try await bench.commit(each(.failed(failure), 1), of: lease)
                bench.time.advance(by: .seconds(60))
            }

            try equal(
                try await bench.store.deadLetters(of: "work", limit: 9).map(\.errorOutput), ["third"], "error output")
        },
    ]
}
