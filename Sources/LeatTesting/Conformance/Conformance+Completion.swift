internal import Leat

extension StoreConformance {
    static let completion: [Case] = [
        Case("invariant 5: closes a queue when the last of its producers and shards has told its end", on: .fanIn) {
            bench in
            try await bench.close("source", "a", with: [Output(.text("1"), to: "raw")])
            try equal(try await bench.status().isClosed, false, "closed after the first shard")
            try await bench.close("other", with: [Output(.text("2"), to: "raw")])
            try equal(try await bench.status().isClosed, false, "closed after the other producer")
            try equal(try await bench.state("other"), .complete, "the other producer")
            try demand(!(try await bench.state("source").isComplete), "the producer with an open shard is complete")

            try await bench.close("source", "b")

            try equal(try await bench.status().isClosed, true, "closed after the last shard")
            try equal(try await bench.status("last").isClosed, false, "closed downstream, with items unsettled")
            try await bench.drain("work", into: ["made"])
            try equal(try await bench.status("last").isClosed, true, "closed downstream, with all settled")
            try equal(try await bench.state(), .complete, "the stage")
        },
        Case("invariant 5: completes downstream when the queue closes after all its items are done", on: .long()) {
            bench in
            try await bench.fill(2)
            try await bench.drain("work", into: ["made"])
            try await bench.drain("more", into: ["end"])
            try await bench.drain("last")
            try equal(try await bench.store.status().map(\.isClosed).dropFirst(), [false, false, false], "closed")

            try await bench.close()

            try equal(try await bench.store.status().map(\.isClosed).dropFirst(), [true, true, true], "closed")
            try equal(
                try await bench.store.status().map(\.state), Array(repeating: .complete, count: 4), "states")
        },
        Case("invariant 5: completes through several stages in the step that settles the last item", on: .long()) {
            bench in
            try await bench.fill(1)
            let lease = try await bench.claim(try await bench.enroll())
            try await bench.close()
            try equal(try await bench.status("more").isClosed, false, "closed while the item is held")

            try await bench.commit(.done, of: lease)

            try equal(try await bench.status("more").isClosed, true, "the next queue")
            try equal(try await bench.status("last").isClosed, true, "the one after it")
            try equal(try await bench.state("last"), .complete, "the last stage")
        },
        Case("invariant 5: completes nothing past a stage that has work", on: .long()) { bench in
            try await bench.fill(1)
            try await bench.store.put([Output(.text("x"), to: "made")])
            try await bench.close()

            try await bench.drain()

            try equal(try await bench.status("more").isClosed, true, "the next queue")
            try equal(try await bench.status("last").isClosed, false, "the one after it")
            try await bench.drain("more", into: ["end"])
            try equal(try await bench.status("last").isClosed, true, "the one after it, when its feeder is done")
            try equal(try await bench.state("last"), .ready, "the last stage has work and no worker")
        },
        Case("completes when a death buries the last item", on: .line(.strict())) { bench in
            try await bench.fill(1)
            try await bench.close()
            for _ in 1...2 {
                let worker = try await bench.enroll()
                _ = try await bench.claim(worker)
                try await bench.store.end(worker, .crashed("abort"))
            }

            try equal(try await bench.states(), [.dead], "the item")
            try equal(try await bench.state(), .completeWithErrors, "the stage")
            try equal(try await bench.status("last").isClosed, true, "the next queue")
        },
        Case("keeps a queue open while an item waits for its next attempt") { bench in
            try await bench.fill(1)
            try await bench.close()
            let worker = try await bench.enroll()
            try await bench.commit(each(.failed(Failure("no")), 1), of: try await bench.claim(worker))
            try equal(try await bench.status("last").isClosed, false, "closed while it waits")

            bench.time.advance(by: .seconds(1))
            try await bench.store.evaluate()
            try equal(try await bench.status("last").isClosed, false, "closed when it is due")
            try await bench.commit(.done, of: try await bench.claim(worker))

            try equal(try await bench.status("last").isClosed, true, "closed when it is done")
        },
        Case("completes a cycle as one, when nothing of it is unsettled", on: .cycle) { bench in
            try await bench.close("source", with: [Output(.text("seed"), to: "raw")])
            let worker = try await bench.enroll()
            let back = try await bench.enroll("back")
            try await bench.commit(.done, of: try await bench.claim(worker), outputs: [Output(.text("1"), to: "made")])
            try equal(try await bench.ask(worker), .nothing(until: nil), "a claim while the cycle has work")
            try await bench.commit(
                .done, of: try await bench.claim(back, of: "back"),
                outputs: [Output(.text("2"), to: "raw"), Output(.text("found"), to: "end")])
            try equal(try await bench.ask(back, of: "back"), .nothing(until: nil), "a claim of the other member")
            try equal(try await bench.status("last").isClosed, false, "closed while the cycle has work")

            try await bench.commit(.done, of: try await bench.claim(worker))

            try equal(try await bench.ask(worker), .finished, "a claim when nothing is left")
            try equal(try await bench.ask(back, of: "back"), .finished, "a claim of the other member")
            try equal(try await bench.status("last").isClosed, true, "the queue behind the cycle")
            try await bench.drain("last")
            try equal(
                try await bench.store.status().map(\.state), Array(repeating: .complete, count: 4), "states")
            try await refuses(.queueClosed, "a put into the cycle") { try await bench.fill(1) }
        },
        Case("completes a cycle that nothing was ever put into", on: .cycle) { bench in
            try await bench.close()

            try equal(
                try await bench.store.status().map(\.state), Array(repeating: .complete, count: 4), "states")
        },
        Case("completes with errors when the dead are tolerated", on: .line(.strict(maxDead: .percent(50)))) { bench in
            try await bench.fill(2)
            try await bench.close()
            try await bench.bury(1)
            try await bench.drain()

            try equal(try await bench.state(), .completeWithErrors, "the stage")
            try equal(try await bench.status("last").isClosed, true, "the next queue")
        },
        Case(
            "fails a stage with more dead than are tolerated, and closes nothing",
            on: .line(.strict(maxDead: .atMost(1)))
        ) { bench in
            try await bench.fill(3)
            try await bench.close()
            try await bench.bury(2)
            try demand(try await bench.state() != .failed, "it failed before its input was settled")

            try await bench.drain()

            try equal(try await bench.state(), .failed, "the stage")
            try equal(try await bench.status("last").isClosed, false, "the next queue")
            try equal(try await bench.state("last"), .blocked, "the next stage")
            try await bench.store.skip(ItemID(1), of: "work", by: "test")
            try equal(try await bench.state(), .completeWithErrors, "the stage when a dead item was skipped")
            try equal(try await bench.status("last").isClosed, true, "the next queue when a dead item was skipped")
        },
        Case("evaluates again without effect when nothing is due", on: .long()) { bench in
            try await bench.fill(1)
            let before = try await bench.store.status()

            try await bench.store.evaluate()
            try await bench.store.evaluate()

            try equal(try await bench.store.status(), before, "the status")
        },
    ]
}
