internal import Leat

extension StoreConformance {
    static let claiming: [Case] = [
        Case("hands out new items in the order of their ids, at most as many as asked for") { bench in
            try await bench.fill(5)
            let worker = try await bench.enroll()

            let first = try await bench.claim(worker, 2)
            let second = try await bench.claim(worker, 100)

            try equal(first.ids, [1, 2], "the first claim")
            try equal(second.ids, [3, 4, 5], "the second claim")
            try demand(first.id < second.id, "lease \(second.id) does not come after \(first.id)")
            try equal(first.stage, "work", "the lease's stage")
            try equal(first.worker, worker, "the lease's worker")
            try equal(first.isSuspect, false, "whether the lease is suspect")
            try equal(try await bench.states(), Array(repeating: .leased, count: 5), "states")
            try equal(try await bench.status().leased, 5, "leased items")
        },
        Case("hands no item to two workers at once") { bench in
            try await bench.fill(4)

            let one = try await bench.claim(try await bench.enroll(), 3)
            let other = try await bench.claim(try await bench.enroll(), 3)

            try equal((one.ids + other.ids).sorted(), [1, 2, 3, 4], "all that was claimed")
            try equal(try await bench.ask(try await bench.enroll()), .nothing(until: nil), "a third claim")
        },
        Case("hands no item out twice to workers that claim at the same time") { bench in
            try await bench.fill(60)
            let workers = [try await bench.enroll(), try await bench.enroll(), try await bench.enroll()]

            let claimed = try await withThrowingTaskGroup(of: [Int64].self) { group in
                for worker in workers {
                    group.addTask {
                        var mine: [Int64] = []
                        while let lease = try await bench.ask(worker, 4).lease {
                            mine += lease.ids
                            try await bench.commit(.done, of: lease)
                        }
                        return mine
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }

            try equal(claimed.sorted(), Array(1...60), "all that was claimed")
        },
        Case("counts every claim of an item and no attempt") { bench in
            try await bench.fill(2)
            let worker = try await bench.enroll()
            for claims in 1...3 {
                let lease = try await bench.claim(worker)
                try equal(lease.items.map(\.claims), [claims, claims], "claims in the lease")
                try equal(lease.items.map(\.attempts), [0, 0], "attempts in the lease")
                try equal(try await bench.items().map(\.claims), [claims, claims], "claims in the queue")
                try await bench.commit(.released, of: lease)
            }

            try equal(try await bench.states(), [.ready, .ready], "states")
            try equal(try await bench.items().map(\.attempts), [0, 0], "attempts")
        },
        Case("answers that there is nothing while more may come") { bench in
            let worker = try await bench.enroll()

            try equal(try await bench.ask(worker), .nothing(until: nil), "a claim on an empty queue")
        },
        Case("answers that the stage has finished when its input is closed and settled, not before") { bench in
            try await bench.fill(1)
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)
            try await bench.close()
            try equal(try await bench.ask(worker), .nothing(until: nil), "a claim while the last item is held")

            try await bench.commit(.done, of: lease)

            try equal(try await bench.ask(worker), .finished, "a claim after the last item")
        },
        Case("answers that there is nothing, not the end, while an item waits in a closed queue") { bench in
            let worker = try await bench.enroll()
            try await bench.store.put([Output(.text("x"), to: "raw", due: .after(.seconds(3)))])
            try await bench.close()

            try equal(try await bench.ask(worker), .nothing(until: bench.time.wallClock + 3_000), "the answer")
        },
        Case("refuses a claim for a stage that is not there") { bench in
            let worker = try await bench.enroll()

            try await refuses(.notFound, "a claim for an unknown stage") {
                _ = try await bench.ask(worker, of: "nobody")
            }
        },
        Case("invariant 2: refuses a claim of a worker that has ended") { bench in
            try await bench.fill(1)
            let worker = try await bench.enroll()
            try await bench.store.end(worker, .stopped)

            try await refuses(.leaseLost, "a claim of an ended worker") { _ = try await bench.ask(worker) }

            try equal(try await bench.states(), [.ready], "states")
            try equal(try await bench.items().map(\.claims), [0], "claims")
        },
        Case("invariant 3: hands out suspects apart from others and no more at once than their limit") { bench in
            try await bench.fill(4)
            let batch = try await bench.claim(try await bench.enroll())
            try await bench.commit(.failedTogether(Failure("torn")), of: batch)
            try await bench.fill(3)

            var leases: [Lease] = []
            while let lease = try await bench.ask(try await bench.enroll(), 100).lease { leases.append(lease) }

            try equal(leases.flatMap(\.ids).sorted(), [1, 2, 3, 4, 5, 6, 7], "all that was claimed")
            for lease in leases {
                let suspects = lease.ids.filter { $0 <= 4 }
                try demand(suspects.isEmpty || suspects == lease.ids, "lease \(lease.ids) mixes suspects with others")
                try demand(suspects.count <= 2, "lease \(lease.ids) has more suspects than two")
                try equal(lease.isSuspect, !suspects.isEmpty, "whether lease \(lease.ids) is suspect")
            }
        },
        Case("invariant 3: hands no suspects to a worker that holds a lease, and nothing beside a suspect one") {
            bench in
            try await bench.fill(3)
            let busy = try await bench.enroll()
            let own = try await bench.claim(busy, 1)
            let batch = try await bench.claim(try await bench.enroll())
            try await bench.commit(.failedTogether(Failure("torn")), of: batch)

            try demand(try await bench.ask(busy).isNothing, "suspects were handed to a worker that holds a lease")
            try await bench.commit(.done, of: own)
            let suspects = try await bench.claim(busy)
            try await bench.fill(2)

            try equal(suspects.isSuspect, true, "whether the lease is suspect")
            try equal(try await bench.ask(busy), .nothing(until: nil), "a claim beside a suspect lease")
            try equal(try await bench.claim(try await bench.enroll(), 1).items.count, 1, "another worker's claim")
        },
        Case("keeps a stage that takes all from claiming in batches", on: .ending()) { bench in
            try await bench.fill(2, "made")
            let worker = try await bench.enroll("total")

            do {
                let answer = try await bench.ask(worker, of: "total")
                try demand(answer.lease == nil, "a batch was granted to a stage that takes all: \(answer)")
            } catch is LeatError {
                // A refusal is as good: what counts is that nothing was handed out.
            }

            try equal(try await bench.states("made"), [.ready, .ready], "states")
        },
    ]
}
