internal import Leat

extension StoreConformance {
    private static let backing = StagePolicy(
        retry: RetryPolicy(attempts: 2, base: .milliseconds(400), jitter: 0), breaker: .off)

    static let advised: [Case] = [
        Case("waits as long as a failure says, and spends an attempt", on: .line(backing)) { bench in
            try await bench.fill(1)
            let worker = try await bench.enroll()

            try await bench.commit(
                each(.failed(Failure("come back", .after(.seconds(90)))), 1), of: try await bench.claim(worker))

            let due = bench.time.wallClock + 90_000
            try equal(try await bench.ask(worker), .nothing(until: due), "the claim meanwhile")
            try equal(try await bench.item(1).attempts, 1, "attempts")
            try equal(try await bench.status().failures, 1, "failures counted")
            bench.time.advance(by: .seconds(90))
            try await bench.commit(
                each(.failed(Failure("again", .after(.seconds(1)))), 1), of: try await bench.claim(worker))
            try equal(try await bench.states(), [.dead], "state after the last attempt")
        },
        Case("puts an item off without spending an attempt, however often", on: .line(backing)) { bench in
            try await bench.fill(1)
            let worker = try await bench.enroll()

            for _ in 1...5 {
                let failure = Failure("the service is down", .postpone(.seconds(30)))
                try await bench.commit(each(.failed(failure), 1), of: try await bench.claim(worker))
                let due = bench.time.wallClock + 30_000
                try equal(try await bench.item(1).state, .waiting, "state")
                try equal(try await bench.ask(worker), .nothing(until: due), "the claim meanwhile")
                bench.time.advance(by: .seconds(30))
            }

            let item = try await bench.item(1)
            try equal([item.attempts, item.claims ?? -1], [0, 5], "attempts and claims")
            try equal(try await bench.status().failures, 0, "failures counted")
            try await bench.drain()
            try equal(try await bench.store.verify(), [], "what verify finds")
        },
        Case("puts all of a batch off, in part or as a whole, and suspects none", on: .line(backing)) { bench in
            try await bench.fill(5)
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)
            let failure = Failure("too many requests", .postpone(.milliseconds(700)))

            try await bench.commit(
                .each([ItemID(1): .done, ItemID(3): .failed(failure)]), of: lease)
            try await bench.commit(.failedTogether(failure), of: lease)

            try equal(
                try await bench.states(), [.done, .waiting, .waiting, .waiting, .waiting], "states")
            let items = try await bench.items()
            try equal(items.map(\.attempts), [0, 0, 0, 0, 0], "attempts")
            try equal(items.map(\.suspect), [0, 0, 0, 0, 0], "suspicion")
            bench.time.advance(by: .milliseconds(700))
            try equal(try await bench.claim(worker).items.count, 4, "items of the next claim")
        },
        Case("invariant 3: halves a batch that failed with a wait of its own: the culprit is not known yet") { bench in
            try await bench.fill(4)
            let lease = try await bench.claim(try await bench.enroll())

            try await bench.commit(.failedTogether(Failure("torn", .after(.seconds(9)))), of: lease)

            let items = try await bench.items()
            try equal(items.map(\.state), [.ready, .ready, .ready, .ready], "states")
            try equal(items.map(\.suspect), [2, 2, 2, 2], "suspicion")
        },
        Case("makes an item that is put off for no time ready at once") { bench in
            try await bench.fill(1)
            let worker = try await bench.enroll()

            try await bench.commit(
                each(.failed(Failure("now", .postpone(.zero))), 1), of: try await bench.claim(worker))

            try equal(try await bench.states(), [.ready], "state")
            try equal(try await bench.claim(worker).items.count, 1, "items of the next claim")
        },
        Case("keeps an item that is put off under the suspicion it was under", on: .line(.strict())) { bench in
            try await bench.fill(1)
            let worker = try await bench.enroll()
            _ = try await bench.claim(worker)
            try await bench.store.end(worker, .crashed("abort"))
            try equal(try await bench.item(1).suspect, 1, "suspicion after a death")

            let lease = try await bench.claim(try await bench.enroll())
            try await bench.commit(each(.failed(Failure("later", .postpone(.seconds(1)))), 1), of: lease)

            try equal(try await bench.item(1).suspect, 1, "suspicion when it was put off")
        },
    ]
}
