internal import Leat

extension StoreConformance {
    static let acknowledging: [Case] = [
        Case("invariant 1: settles a whole lease and puts its outputs in one step") { bench in
            try await bench.fill(3)
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)

            let answer = try await bench.commit(
                .done, of: lease, outputs: lease.items.map { Output($0.payload, to: "made", parent: $0.id) })

            try equal(answer, nil, "the answer of a step without a next claim")
            try equal(try await bench.states(), [.done, .done, .done], "states of the inputs")
            let made = try await bench.items("made")
            try equal(made.map(\.payload), [.text("1"), .text("2"), .text("3")], "outputs")
            try equal(made.map(\.origin), ["work", "work", "work"], "origins")
            try equal(made.map(\.parent), [ItemID(1), ItemID(2), ItemID(3)], "parents")
            try equal(made.map(\.state), [.ready, .ready, .ready], "states of the outputs")
            let status = try await bench.status()
            try equal([status.done, status.leased, status.emitted], [3, 0, 3], "done, leased, emitted")
        },
        Case("settles a prefix of a lease and leaves the rest in it") { bench in
            try await bench.fill(5)
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)

            try await bench.commit(each(.done, 1, 2), of: lease)
            try equal(try await bench.states(), [.done, .done, .leased, .leased, .leased], "states")
            try equal(try await bench.status().leased, 3, "leased items")
            try await bench.commit(each(.done, 3), of: lease)
            try await bench.commit(.done, of: lease)

            try equal(try await bench.states(), Array(repeating: .done, count: 5), "states at the end")
            try equal(try await bench.status().done, 5, "done items")
        },
        Case("settles the items of a lease out of order") { bench in
            try await bench.fill(5)
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)

            try await bench.commit(each(.done, 4, 2), of: lease)
            try equal(try await bench.states(), [.leased, .done, .leased, .done, .leased], "states")
            try await bench.commit(each(.done, 5), of: lease)
            try await bench.commit(each(.done, 1), of: lease)
            try equal(try await bench.states(), [.done, .done, .leased, .done, .done], "states")
            try await bench.commit(each(.done, 3), of: lease)

            try equal(try await bench.states(), Array(repeating: .done, count: 5), "states at the end")
            try equal(try await bench.ask(worker), .nothing(until: nil), "a claim afterwards")
        },
        Case("hands back what was not settled out of order when its worker ends") { bench in
            try await bench.fill(5)
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)
            try await bench.commit(each(.done, 4, 2), of: lease)

            try await bench.store.end(worker, .stopped)

            try equal(try await bench.states(), [.ready, .done, .ready, .done, .ready], "states")
            var again: [Int64] = []
            let other = try await bench.enroll()
            while let lease = try await bench.ask(other).lease {
                again += lease.ids
                try equal(lease.items.map(\.claims), lease.items.map { _ in 2 }, "claims")
            }
            try equal(again.sorted(), [1, 3, 5], "claimed again")
        },
        Case("ends a lease with its last item") { bench in
            try await bench.fill(2)
            let lease = try await bench.claim(try await bench.enroll())
            try await bench.commit(each(.done, 1), of: lease)
            try await bench.commit(each(.done, 2), of: lease)

            try await refuses(.leaseLost, "a step under a lease without items") {
                try await bench.commit(.done, of: lease)
            }
        },
        Case("settles the items of one step each in its own way") { bench in
            try await bench.fill(5)
            let lease = try await bench.claim(try await bench.enroll())

            try await bench.commit(
                .each([
                    ItemID(1): .done, ItemID(2): .failed(Failure("bad")),
                    ItemID(3): .failed(Failure("hopeless", .never)),
                    ItemID(4): .released,
                ]), of: lease, outputs: [Output(.text("x"), to: "made")])

            try equal(try await bench.states(), [.done, .waiting, .dead, .ready, .leased], "states")
            try equal(try await bench.items().suffix(4).map(\.attempts), [1, 1, 0, 0], "attempts")
            try equal(try await bench.items("made").count, 1, "outputs")
            let status = try await bench.status()
            try equal(
                [status.ready, status.waiting, status.leased, status.done, status.dead], [1, 1, 1, 1, 1], "counts")
        },
        Case("claims the next batch in the step that settles the last one") { bench in
            try await bench.fill(3)
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker, 2)

            let next = try await bench.commit(
                .done, of: lease, next: ClaimRequest("work", worker: worker, limit: 2))

            try equal(next?.lease?.ids, [3], "the next batch")
            try equal(try await bench.states(), [.done, .done, .leased], "states")
        },
        Case("tells in the step that settles the last item that the stage has finished") { bench in
            try await bench.fill(1)
            try await bench.close()
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)

            let next = try await bench.commit(.done, of: lease, next: ClaimRequest("work", worker: worker, limit: 2))

            try equal(next, .finished, "the answer")
            try equal(try await bench.status("last").isClosed, true, "whether the next queue is closed")
        },
        Case("invariant 1: refuses an output into a queue that the stage does not feed, with the whole step") { bench in
            try await bench.fill(2)
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)

            try await refuses(.invalidPipeline, "an output into a foreign queue") {
                try await bench.commit(
                    .done, of: lease, outputs: [Output(.text("x"), to: "made"), Output(.text("y"), to: "raw")])
            }

            try equal(try await bench.states(), [.leased, .leased], "states")
            try equal(try await bench.items("made"), [], "outputs")
            try equal(try await bench.status().emitted, 0, "emitted")
            try await bench.commit(.done, of: lease)
            try equal(try await bench.states(), [.done, .done], "states after a good step")
        },
        Case("counts only the outputs that it inserted") { bench in
            try await bench.fill(2)
            try await bench.store.put([Output(.text("x"), to: "made", key: "k")])
            let lease = try await bench.claim(try await bench.enroll())

            try await bench.commit(
                .done, of: lease,
                outputs: [Output(.text("y"), to: "made", key: "k"), Output(.text("z"), to: "made", key: "l")])

            try equal(try await bench.items("made").map(\.payload), [.text("x"), .text("z")], "payloads")
            try equal(try await bench.status().emitted, 1, "emitted")
        },
        Case("keeps an output's key, delay and priority") { bench in
            try await bench.fill(1)
            let lease = try await bench.claim(try await bench.enroll())

            try await bench.commit(
                .done, of: lease,
                outputs: [
                    Output(.text("x"), to: "made"), Output(.text("y"), to: "made", key: "k", priority: 3),
                    Output(.text("z"), to: "made", due: .after(.seconds(1))),
                ])

            let made = try await bench.items("made")
            try equal(made.map(\.key), [nil, "k", nil], "keys")
            try equal(made.map(\.priority), [0, 3, 0], "priorities")
            try equal(made.map(\.state), [.ready, .ready, .waiting], "states")
            try equal(try await bench.claim(try await bench.enroll("last"), 1, of: "last").ids, [2], "claimed first")
        },
        Case("hands back released items without blame") { bench in
            try await bench.fill(3)
            let lease = try await bench.claim(try await bench.enroll())

            try await bench.commit(.released, of: lease)

            let items = try await bench.items()
            try equal(items.map(\.state), [.ready, .ready, .ready], "states")
            try equal(items.map(\.attempts), [0, 0, 0], "attempts")
            try equal(items.map(\.suspect), [0, 0, 0], "suspicion")
            try equal(try await bench.status().failures, 0, "failures")
            try await refuses(.leaseLost, "a step under a lease that was handed back") {
                try await bench.commit(.done, of: lease)
            }
        },
    ]
}
