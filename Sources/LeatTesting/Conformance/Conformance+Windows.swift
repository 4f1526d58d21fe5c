internal import Leat

extension Bench {
    fileprivate func extend(_ worker: WorkerID, _ limit: Int = 1) async throws -> Claim {
        try await store.claim(ClaimRequest("work", worker: worker, limit: limit, holding: .isIntended))
    }
}

extension StoreConformance {
    static let windows: [Case] = [
        Case("invariant 1: commits steps under several leases together, or none of them") { bench in
            try await bench.fill(4)
            let worker = try await bench.enroll()
            let first = try await bench.claim(worker, 2)
            let second = try await bench.claim(worker, 2)
            let output = Output(.text("window"), to: "made")
            try await bench.store.commit([
                Step(each(.done, 2), of: first, outputs: [output]), Step(each(.done, 3), of: second),
            ])
            try equal(try await bench.states(), [.leased, .done, .done, .leased], "states after the window")
            try await bench.store.skip(ItemID(4), of: "work", by: "test")

            try await refuses(.leaseLost, "a window over a lease that is lost") {
                try await bench.store.commit([
                    Step(each(.done, 1), of: first, outputs: [output]), Step(each(.done, 4), of: second),
                ])
            }

            try equal(try await bench.states(), [.leased, .done, .done, .skipped], "states after the refusal")
            try equal(try await bench.items("made").count, 1, "outputs")
            try equal(try await bench.status().refused, 1, "refusals")
            try await bench.commit(.done, of: first)
        },
        Case("tells each of those who hold windows that nothing more comes, so that they need not wait for each other")
        {
            bench in
            try await bench.close(with: [Output(.text("1"), to: "raw"), Output(.text("2"), to: "raw")])
            let worker = try await bench.enroll()
            let other = try await bench.enroll()
            guard let one = try await bench.extend(worker).lease, let two = try await bench.extend(other).lease else {
                throw ConformanceFailure("nothing was claimed", file: #fileID, line: #line)
            }
            try equal(try await bench.extend(worker), .finished, "the one")
            try equal(try await bench.extend(other), .finished, "the other")
            try equal(try await bench.ask(worker), .nothing(until: nil), "without the intention")
            try await bench.commit(.done, of: two)
            try equal(try await bench.extend(other), .nothing(until: nil), "one who holds nothing")
            try equal(try await bench.status("last").isClosed, false, "closed before the window is answered")
            try await bench.commit(.done, of: one)
            try equal(try await bench.status("last").isClosed, true, "closed afterwards")
        },
        Case("invariant 3: charges no item of a window that failed, however it was claimed") { bench in
            try await bench.fill(5)
            let worker = try await bench.enroll()
            let leases = [
                try await bench.claim(worker, 1), try await bench.claim(worker, 1), try await bench.claim(worker, 3),
            ]

            try await bench.store.commit(leases.map { Step(.failedWithOthers(Failure("torn", .never)), of: $0) })

            let items = try await bench.items()
            try equal(items.map(\.state), Array(repeating: .ready, count: 5), "states")
            try equal(items.map(\.attempts), [0, 0, 0, 0, 0], "attempts")
            try equal(items.map(\.suspect), [1, 1, 2, 2, 2], "suspicion")
        },
        Case("gives who works on windows and holds nothing what is under suspicion first") { bench in
            try await bench.fill(6)
            let dead = try await bench.enroll()
            let first = try await bench.claim(dead, 2)
            let worker = try await bench.enroll()
            let later = try await bench.claim(worker, 4)
            try await bench.commit(.failedTogether(Failure("torn")), of: first)
            try await bench.commit(each(.released, 3, 4), of: later)

            let lease = try await bench.extend(try await bench.enroll(), 9).lease

            try equal(lease?.isSuspect, true, "whether what it received is under suspicion")
            try equal(lease?.items.map(\.id.rawValue), [1], "what it received")
            try await bench.commit(.done, of: later)
        },
        Case("has who holds a window settle first when a suspect is next") { bench in
            try await bench.fill(3)
            let worker = try await bench.enroll()
            let dead = try await bench.enroll()
            _ = try await bench.claim(dead, 2)
            guard let held = try await bench.extend(worker).lease else {
                throw ConformanceFailure("nothing was claimed", file: #fileID, line: #line)
            }
            try await bench.store.end(dead, .killed)

            try equal(try await bench.extend(worker), .settleFirst, "while something is held")
            try await bench.commit(.done, of: held)
            let suspect = try await bench.extend(worker).lease
            try equal(suspect?.isSuspect, true, "whether what comes then is under suspicion")
            try equal(try await bench.extend(worker), .settleFirst, "while the suspect is held")
        },
    ]
}
