internal import Leat

extension StoreConformance {
    static let orders: [Case] = [
        Case("skips a ready, a waiting and a dead item, and counts them so") { bench in
            try await bench.store.put([
                Output(.text("a"), to: "raw"), Output(.text("b"), to: "raw", due: .after(.seconds(9))),
                Output(.text("c"), to: "raw"), Output(.text("d"), to: "raw", priority: 4),
            ])
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)
            try await bench.commit(each(.failed(Failure("x", .never)), 3), of: lease)
            try await bench.commit(.released, of: lease)

            for id: Int64 in [1, 2, 3] { try await bench.store.skip(ItemID(id), of: "work", by: "test") }

            try equal(try await bench.states(), [.skipped, .skipped, .skipped, .ready], "states")
            let status = try await bench.status()
            try equal([status.skipped, status.dead, status.ready, status.waiting], [3, 0, 1, 0], "counts")
            bench.time.advance(by: .seconds(10))
            try equal(try await bench.claim(worker).ids, [4], "a claim")
            try equal(try await bench.store.deadLetters(of: nil, limit: 9), [], "dead letters")
        },
        Case("skips an item that was never claimed, in the middle of the queue") { bench in
            try await bench.fill(5)

            try await bench.store.skip(ItemID(3), of: "work", by: "test")

            let worker = try await bench.enroll()
            var claimed: [Int64] = []
            while let lease = try await bench.ask(worker).lease {
                claimed += lease.ids
                try await bench.commit(.done, of: lease)
            }
            try equal(claimed.sorted(), [1, 2, 4, 5], "claimed items")
            try equal(try await bench.states(), [.done, .done, .skipped, .done, .done], "states")
        },
        Case("takes a lease away to skip one of its items, and suspects nobody") { bench in
            try await bench.fill(4)
            let lease = try await bench.claim(try await bench.enroll())
            try await bench.commit(each(.done, 1), of: lease)

            try await bench.store.skip(ItemID(3), of: "work", by: "test")

            try equal(try await bench.states(), [.done, .ready, .skipped, .ready], "states")
            try equal(try await bench.items().map(\.suspect), [0, 0, 0, 0], "suspicion")
            try await refuses(.leaseLost, "a step under the lease") { try await bench.commit(.done, of: lease) }
            try equal(try await bench.claim(lease.worker).ids.sorted(), [2, 4], "the worker's next claim")
        },
        Case("refuses to skip an item that is done or skipped, or is not there") { bench in
            try await bench.fill(2)
            let lease = try await bench.claim(try await bench.enroll(), 1)
            try await bench.commit(.done, of: lease)
            try await bench.store.skip(ItemID(2), of: "work", by: "test")

            try await refuses(.refused, "skipping a done item") {
                try await bench.store.skip(ItemID(1), of: "work", by: "test")
            }
            try await refuses(.refused, "skipping a skipped item") {
                try await bench.store.skip(ItemID(2), of: "work", by: "test")
            }
            try await refuses(.notFound, "skipping an item that is not there") {
                try await bench.store.skip(ItemID(7), of: "work", by: "test")
            }
            try await refuses(.notFound, "skipping in a stage that is not there") {
                try await bench.store.skip(ItemID(1), of: "nobody", by: "test")
            }

            try equal(try await bench.states(), [.done, .skipped], "states")
        },
        Case("completes when the last unsettled item is skipped", on: .long()) { bench in
            try await bench.fill(1)
            try await bench.close()

            try await bench.store.skip(ItemID(1), of: "work", by: "test")

            try equal(try await bench.state(), .complete, "the stage")
            try equal(try await bench.status("last").isClosed, true, "the queue after the next")
        },
        Case("makes dead items ready with a fresh budget", on: .line(.strict(attempts: 2, kills: 2))) { bench in
            try await bench.fill(3)
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)
            try await bench.commit(each(.done, 2), of: lease)
            try await bench.store.end(worker, .stopped)
            let other = try await bench.enroll()
            for _ in 1...10 {
                guard let lease = try await bench.ask(other).lease else { break }
                try await bench.commit(.each(outcomes(lease, .failed(Failure("bad")))), of: lease)
            }
            try equal(try await bench.states(), [.dead, .done, .dead], "states before")

            let count = try await bench.store.retry("work", by: "test")

            let items = try await bench.items()
            try equal(count, 2, "items retried")
            try equal(items.map(\.state), [.ready, .done, .ready], "states")
            try equal(
                [items[0].attempts, items[2].attempts, items[0].suspect, items[2].suspect], [0, 0, 0, 0], "budget")
            try equal(try await bench.store.deadLetters(of: nil, limit: 9), [], "dead letters")
            let again = try await bench.claim(other)
            try equal(again.items.map(\.attempts), [0, 0], "attempts in the next lease")
            try equal(again.items.map(\.generation), [0, 0], "generations")
        },
        Case("invariant 5: reopens everything downstream of a retry, and closes it again", on: .long()) { bench in
            try await bench.fill(2)
            try await bench.close()
            try await bench.bury(1)
            try await bench.drain("work", into: ["made"])
            try await bench.drain("more", into: ["end"])
            try await bench.drain("last")
            try equal(try await bench.state("last"), .complete, "the last stage before")

            try equal(try await bench.store.retry("work", by: "test"), 1, "items retried")

            try equal(try await bench.store.status().map(\.isClosed).dropFirst(), [true, false, false], "closed")
            let last = try await bench.enroll("last")
            try equal(try await bench.ask(last, of: "last"), .nothing(until: nil), "a claim far downstream")
            try await bench.drain("work", into: ["made"])
            try await bench.drain("more", into: ["end"])
            try equal(try await bench.claim(last, of: "last").items.count, 1, "only the new item flows")
            try equal(try await bench.store.status().map(\.isClosed).dropFirst(), [true, true, true], "closed again")
        },
        Case("reopens nothing when a retry finds nothing dead", on: .long()) { bench in
            try await bench.fill(1)
            try await bench.close()
            try await bench.drain()

            try equal(try await bench.store.retry("work", by: "test"), 0, "items retried")

            try equal(try await bench.status("more").isClosed, true, "whether the next queue is closed")
            try equal(try await bench.state("last"), .complete, "the last stage")
        },
        Case(
            "completes a stage with fewer dead after its dead were retried with success",
            on: .line(.strict(maxDead: .atMost(0)))
        ) { bench in
            try await bench.fill(2)
            try await bench.close()
            try await bench.bury(1)
            try await bench.drain()
            try equal(try await bench.state(), .failed, "the stage before")

            _ = try await bench.store.retry("work", by: "test")
            try await bench.drain("work", into: ["made"])

            try equal(try await bench.state(), .complete, "the stage")
            try equal(try await bench.status("last").isClosed, true, "the next queue")
        },
        Case("refuses orders to a stage that is not there") { bench in
            try await refuses(.notFound, "a restart") { try await bench.store.restart("nobody", by: "test") }
            try await refuses(.notFound, "a retry") { _ = try await bench.store.retry("nobody", by: "test") }
        },
        Case("takes a restart of a stage that has not failed for none") { bench in
            try await bench.fill(1)
            let before = try await bench.store.status()

            try await bench.store.restart("work", by: "test")

            try equal(try await bench.store.status(), before, "the status")
        },
    ]
}
