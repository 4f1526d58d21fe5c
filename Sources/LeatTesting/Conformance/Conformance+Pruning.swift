internal import Leat

extension Layout {
    /// The line, of whose `raw` only this is kept.
    fileprivate static func keeping(_ keep: Keep) -> Layout {
        var policy = StagePolicy.plain
        policy.keep = keep
        return .line(policy)
    }
}

extension StoreConformance {
    static let pruning: [Case] = [
        Case("invariant 6: removes what is done and counts it still", on: .keeping(.failed)) { bench in
            try await bench.close(with: (1...7).map { Output(.text("\($0)"), to: "raw") })
            try await bench.bury(1)
            try await bench.store.skip(ItemID(2), of: "work", by: "test")
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker, 3)
            try await bench.commit(each(.done, 4), of: lease)
            let rest = try await bench.claim(worker)
            try await bench.commit(.done, of: rest)

            try await bench.commit(each(.failed(Failure("torn")), 3), of: lease)
            try await bench.commit(.done, of: lease)
            try equal(try await bench.store.prune(upTo: 3), 3, "pruned at most")
            try equal(try await bench.store.prune(upTo: 100), 1, "pruned then")
            try equal(try await bench.store.prune(upTo: 100), 0, "pruned once more")

            try equal(try await bench.items().map(\.id.rawValue), [1, 2, 3], "what is left")
            try equal(try await bench.states(), [.dead, .skipped, .waiting], "states")
            try equal(try await bench.status().done, 4, "done items")
            try equal(try await bench.store.verify(), [], "discrepancies")
            bench.time.advance(by: .seconds(9))
            try await bench.drain()
            try equal(try await bench.state(), .completeWithErrors, "the stage")
        },
        Case("invariant 6: removes nothing that is in somebody's hands, or was handed back", on: .keeping(.failed)) {
            bench in
            try await bench.fill(6)
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker, 2)
            let other = try await bench.enroll()
            _ = try await bench.claim(other, 2)
            try await bench.commit(.done, of: try await bench.claim(try await bench.enroll()))
            try await bench.commit(each(.done, 2), of: lease)
            try await bench.store.end(other, .stopped)

            try await bench.store.prune(upTo: 100)

            try equal(
                try await bench.items().filter { $0.state != .done }.map(\.id.rawValue), [1, 3, 4], "what is left")
            try equal(try await bench.store.verify(), [], "discrepancies")
            try await bench.commit(.done, of: lease)
            try await bench.drain()
            try equal(try await bench.status().done, 6, "done items")
        },
        Case("keeps what is recent, and all where all is kept", on: .keeping(.recent(.seconds(60)))) { bench in
            try await bench.fill(2)
            bench.time.advance(by: .seconds(50))
            try await bench.fill(1)
            try await bench.fill(2, "made")
            try await bench.drain()
            try await bench.drain("last")

            try equal(try await bench.store.prune(upTo: 100), 0, "pruned at once")
            bench.time.advance(by: .seconds(10))
            try equal(try await bench.store.prune(upTo: 100), 2, "pruned after a minute")

            try equal(try await bench.items().map(\.id.rawValue), [3], "what is left")
            try equal(try await bench.items("made").count, 2, "what is left where all is kept")
        },
        Case("lets a key be used again once its item was pruned", on: .keeping(.failed)) { bench in
            let output = Output(.text("1"), to: "raw", key: "k")
            try await bench.store.put([output])
            try await bench.drain()
            try equal(try await bench.store.put([output]), 0, "put before")
            try await bench.store.prune(upTo: 100)

            try equal(try await bench.store.put([output]), 1, "put afterwards")
        },
    ]
}
