internal import Leat

extension StoreConformance {
    private static func text(_ texts: String...) -> [Output] { texts.map { Output(.text($0), to: "raw") } }

    static let shards: [Case] = [
        Case("tells how far each shard of each producer is, and of no other stage", on: .behind(["b", "a"])) { bench in
            let hold = try await bench.open("source", "b")
            try await bench.store.emit(
                Emission(
                    hold, outputs: [Output(.text("1"), to: "raw"), Output(.text("2"), to: "raw")], cursor: "2",
                    isLast: false))
            try await bench.close("other", with: [Output(.text("3"), to: "raw")])

            try equal(
                try await bench.store.shards(),
                [
                    ShardRecord(id: ShardID("source", "a"), emitted: 0, isComplete: false),
                    ShardRecord(id: ShardID("source", "b"), emitted: 2, isComplete: false),
                    ShardRecord(id: ShardID("other"), emitted: 1, isComplete: true),
                ], "shards")
        },
        Case("invariant 1: moves a shard's cursor together with its items") { bench in
            let hold = try await bench.open()
            try equal(hold.epoch, 1, "the first epoch")
            try equal(hold.cursor, nil, "the first cursor")
            try equal(hold.emitted, 0, "items put so far")

            try await bench.store.emit(Emission(hold, outputs: text("a", "b"), cursor: "2", isLast: false))
            try await bench.store.emit(Emission(hold, outputs: text("c"), cursor: nil, isLast: false))

            let items = try await bench.items()
            try equal(items.map(\.payload), [.text("a"), .text("b"), .text("c")], "items")
            try equal(items.map(\.origin), ["source", "source", "source"], "origins")
            try equal(try await bench.status("source").emitted, 3, "emitted")
            try await bench.store.end(hold.worker, .stopped)
            let again = try await bench.open()
            try equal(again.cursor, "2", "the saved cursor: a step without one leaves it")
            try equal(again.emitted, 3, "items put so far")
            try equal(again.epoch, 2, "the epoch of the take-over")
        },
        Case("keeps a live producer's shard from another worker") { bench in
            let hold = try await bench.open()
            let other = try await bench.enroll("source")

            try equal(try await bench.store.open(ShardID("source"), by: other), .live(hold.worker), "the answer")

            try await bench.store.emit(Emission(hold, outputs: text("a"), cursor: "1", isLast: false))
            try equal(try await bench.items().count, 1, "items")
        },
        Case("says of a complete shard that it is complete, when its stage has failed too", on: .behind(["a", "b"])) {
            bench in
            let hold = try await bench.open("source", "a")
            try await bench.store.emit(Emission(hold, outputs: text("1"), cursor: nil, isLast: true))
            try await bench.store.end(hold.worker, .finished)
            // Until its crash budget is spent.
            for _ in 1...20 where try await bench.state("source") != .failed {
                try await bench.store.end(try await bench.enroll("source"), .crashed("abort"))
            }
            let worker = try await bench.enroll("source")

            try equal(try await bench.store.open(ShardID("source", "a"), by: worker), .complete, "the complete one")

            let other = try await bench.store.open(ShardID("source", "b"), by: worker)
            if case .refused = other { return }
            try demand(false, "the other shard of a failed stage was answered \(other)")
        },
        Case("opens a shard anew for the worker that has it, with the next epoch") { bench in
            let worker = try await bench.enroll("source")
            let first = try await bench.open(by: worker)

            let second = try await bench.open(by: worker)

            try equal(second.epoch, first.epoch + 1, "the epoch")
            try await refuses(.fenced, "a step under the first epoch") {
                try await bench.store.emit(Emission(first, outputs: text("a"), cursor: "1", isLast: false))
            }
        },
        Case("invariant 2: fences a producer whose shard was taken over, with nothing committed") { bench in
            let old = try await bench.open()
            try await bench.store.emit(Emission(old, outputs: text("a"), cursor: "1", isLast: false))
            try await bench.store.end(old.worker, .silent)
            try await refuses(.fenced, "a step of an ended producer") {
                try await bench.store.emit(Emission(old, outputs: text("x"), cursor: "x", isLast: true))
            }
            let new = try await bench.open()

            try await refuses(.fenced, "a step under the old epoch") {
                try await bench.store.emit(Emission(old, outputs: text("x"), cursor: "x", isLast: true))
            }

            try equal(try await bench.items().map(\.payload), [.text("a")], "items")
            try equal(try await bench.status("source").refused, 2, "refusals counted")
            try equal(try await bench.status("source").emitted, 1, "emitted")
            try equal(try await bench.status().isClosed, false, "whether the queue is closed")
            try equal(new.cursor, "1", "the new producer's cursor")
            try await bench.store.emit(Emission(new, outputs: text("b"), cursor: "2", isLast: true))
            try equal(try await bench.items().map(\.payload), [.text("a"), .text("b")], "items at the end")
        },
        Case("tells that a shard is complete, to whoever asks") { bench in
            let hold = try await bench.open()
            try await bench.store.emit(Emission(hold, outputs: text("a"), cursor: "1", isLast: true))

            try equal(try await bench.store.open(ShardID("source"), by: hold.worker), .complete, "to its producer")
            let other = try await bench.enroll("source")
            try equal(try await bench.store.open(ShardID("source"), by: other), .complete, "to another")
            try equal(try await bench.state("source"), .complete, "the stage")
        },
        Case("invariant 5: takes nothing from a shard that has written its end") { bench in
            let hold = try await bench.open()
            try await bench.store.emit(Emission(hold, outputs: text("a"), cursor: "1", isLast: true))

            do {
                try await bench.store.emit(Emission(hold, outputs: text("b"), cursor: "2", isLast: false))
                throw ConformanceFailure("a step after the end was not refused", file: #fileID, line: #line)
            } catch let error as LeatError {
                try demand([.fenced, .queueClosed].contains(error.code), "a step after the end: \(error)")
            }
            try equal(try await bench.items().count, 1, "items")
        },
        Case("refuses a producer's output into a queue that it does not feed, with the whole step") { bench in
            let hold = try await bench.open()

            try await refuses(.invalidPipeline, "an output into a foreign queue") {
                try await bench.store.emit(
                    Emission(
                        hold, outputs: text("a") + [Output(.text("b"), to: "made")], cursor: "1", isLast: true))
            }

            try equal(try await bench.items(), [], "items")
            try equal(try await bench.items("made"), [], "items of the foreign queue")
            try await bench.store.end(hold.worker, .stopped)
            try equal(try await bench.open().cursor, nil, "the cursor")
        },
        Case("keeps the cursors of shards apart", on: .line(shards: ["jan", "feb"])) { bench in
            let worker = try await bench.enroll("source")
            let january = try await bench.open("source", "jan", by: worker)
            let february = try await bench.open("source", "feb", by: worker)
            try await bench.store.emit(Emission(january, outputs: text("a", "b"), cursor: "2", isLast: false))
            try await bench.store.emit(Emission(february, outputs: text("c"), cursor: "1", isLast: false))
            try await bench.store.end(worker, .stopped)

            let holds = [try await bench.open("source", "jan"), try await bench.open("source", "feb")]

            try equal(holds.map(\.cursor), ["2", "1"], "cursors")
            try equal(holds.map(\.emitted), [2, 1], "items put so far")
            try equal(holds.map(\.epoch), [2, 2], "epochs")
        },
        Case("shows a producer's shards by state", on: .line(shards: ["jan", "feb", "mar"])) { bench in
            try equal(try await bench.state("source"), .ready, "the stage without a worker")
            try await bench.close("source", "jan")
            _ = try await bench.open("source", "feb")

            let status = try await bench.status("source")

            try equal([status.ready, status.leased, status.done], [1, 1, 1], "ready, leased and done shards")
            try equal(status.state, .running, "the stage")
            try equal(status.kind, .producer, "its kind")
        },
        Case("charges a producer's death to its stage and frees its shard") { bench in
            let hold = try await bench.open()

            let account = try await bench.store.end(hold.worker, .crashed("exit 1"))

            try equal(account, .stage, "whom the death was charged to")
            try equal(try await bench.status("source").ready, 1, "free shards")
            try equal(try await bench.open().epoch, 2, "the epoch of the take-over")
        },
        Case("ignores a producer's output under a key that the queue has") { bench in
            let hold = try await bench.open()
            let keyed = Output(.text("a"), to: "raw", key: "k")
            try await bench.store.emit(Emission(hold, outputs: [keyed], cursor: nil, isLast: false))

            try await bench.store.emit(Emission(hold, outputs: [keyed] + text("b"), cursor: nil, isLast: true))

            try equal(try await bench.items().map(\.payload), [.text("a"), .text("b")], "items")
            try equal(try await bench.status("source").emitted, 2, "emitted")
        },
    ]
}
