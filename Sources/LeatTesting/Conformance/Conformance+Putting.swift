internal import Leat

extension StoreConformance {
    static let putting: [Case] = [
        Case("numbers a queue's items from 1 in the order in which they were put") { bench in
            let count = try await bench.store.put([
                Output(.text("x"), to: "raw"), Output(.text("other"), to: "made"), Output(.text("y"), to: "raw"),
            ])

            let items = try await bench.items()
            try equal(count, 3, "items put")
            try equal(items.map(\.id.rawValue), [1, 2], "ids")
            try equal(items.map(\.payload), [.text("x"), .text("y")], "payloads")
            try equal(items.map(\.state), [.ready, .ready], "states")
            try equal(items.map(\.origin), [nil, nil], "origins of items from outside")
            try equal(items.map(\.claims), [0, 0], "claims")
            try equal(items.map(\.attempts), [0, 0], "attempts")
            try equal(try await bench.items("made").map(\.id.rawValue), [1], "ids of the other queue")
            try equal(try await bench.status().ready, 2, "ready items")
            try equal(try await bench.status("source").emitted, 0, "items that the producer has put")
        },
        Case("gives payloads back as they were put, text and bytes") { bench in
            let payloads: [Payload] = [
                .text(""), .text("{\"a\":1}"), .text("żółć 🪨 ' \" ; --"), .blob([0, 255, 0]), .blob([]),
            ]
            try await bench.store.put(payloads.map { Output($0, to: "raw") })

            let lease = try await bench.claim(try await bench.enroll())

            try equal(lease.items.map(\.payload), payloads, "claimed payloads")
            try equal(try await bench.items().map(\.payload), payloads, "observed payloads")
        },
        Case("gives headers and the time of the put to who claims") { bench in
            try await bench.store.put([
                Output(.text("a"), to: "raw", headers: ["traceparent": "00-1\"2", "b": ""]),
                Output(.text("b"), to: "raw"),
                Output(.text("c"), to: "raw", priority: 1, headers: ["x": "y"]),
            ])
            let putAt = bench.time.wallClock
            bench.time.advance(by: .seconds(3))

            let items = try await bench.claim(try await bench.enroll()).items

            try equal(items.map(\.headers), [["x": "y"], ["traceparent": "00-1\"2", "b": ""], [:]], "headers")
            try equal(items.map(\.createdAt), [putAt, putAt, putAt], "times of the put")
        },
        Case("ignores a put under a key that the queue has, whatever became of the item") { bench in
            let first = try await bench.store.put([
                Output(.text("a"), to: "raw", key: "k"), Output(.text("b"), to: "raw", key: "k"),
                Output(.text("c"), to: "made", key: "k"), Output(.text("d"), to: "raw"),
            ])
            let again = try await bench.store.put([Output(.text("e"), to: "raw", key: "k")])
            try await bench.drain()
            let afterwards = try await bench.store.put([Output(.text("f"), to: "raw", key: "k")])

            try equal(first, 3, "items that the first put inserted")
            try equal(again, 0, "items that the second put inserted")
            try equal(afterwards, 0, "items that a put after the acknowledgement inserted")
            try equal(try await bench.items().map(\.payload), [.text("a"), .text("d")], "payloads")
            try equal(try await bench.items().map(\.key), ["k", nil], "keys")
        },
        Case("hands out a delayed item when it is due and not before") { bench in
            let worker = try await bench.enroll()
            let due = bench.time.wallClock + 10_000
            try await bench.store.put([Output(.text("late"), to: "raw", due: .after(.seconds(10)))])
            try equal(try await bench.states(), [.waiting], "state before its time")
            try equal(try await bench.status().waiting, 1, "waiting items")
            try equal(try await bench.ask(worker), .nothing(until: due), "claim before its time")

            bench.time.advance(by: .milliseconds(9_999))
            try equal(try await bench.ask(worker), .nothing(until: due), "claim a millisecond before its time")
            bench.time.advance(by: .milliseconds(1))

            try equal(try await bench.states(), [.ready], "state at its time")
            try equal(try await bench.status().ready, 1, "ready items")
            try equal(try await bench.claim(worker).ids, [1], "claimed at its time")
        },
        Case("tells the earliest time when several items wait") { bench in
            let now = bench.time.wallClock
            try await bench.store.put([
                Output(.text("a"), to: "raw", due: .after(.seconds(30))),
                Output(.text("b"), to: "raw", due: .after(.seconds(5))),
                Output(.text("c"), to: "raw", due: .after(.seconds(60))),
            ])

            let answer = try await bench.ask(try await bench.enroll())

            try equal(answer, .nothing(until: now + 5_000), "the answer")
        },
        Case("hands out a higher priority first, and equal ones by id") { bench in
            try await bench.store.put(
                [0, 5, 0, 9, 5].enumerated().map { Output(.text("\($0)"), to: "raw", priority: $1) })
            let worker = try await bench.enroll()

            var order: [Int64] = []
            for _ in 1...5 { order += try await bench.claim(worker, 1).ids }

            try equal(order, [4, 2, 5, 1, 3], "order of claims")
            try equal(try await bench.items().map(\.priority), [0, 5, 0, 9, 5], "priorities")
        },
        Case("hands out no item while one of a higher priority is left behind") { bench in
            try await bench.fill(3)
            try await bench.store.put([
                Output(.text("x"), to: "raw", priority: 1), Output(.text("y"), to: "raw", priority: 2),
            ])

            let lease = try await bench.claim(try await bench.enroll(), 3)

            let lower = lease.ids.contains { $0 <= 3 }
            try demand(
                !lower || (lease.ids.contains(4) && lease.ids.contains(5)),
                "items \(lease.ids) were claimed while one of a higher priority (4, 5) was left")
            try demand(!lease.ids.contains(4) || lease.ids.contains(5), "item 4 was claimed before 5")
        },
        Case("invariant 5: refuses a put into a closed queue, with all of its transaction") { bench in
            try await bench.close()

            try await refuses(.queueClosed, "a put into a closed queue") {
                try await bench.store.put([Output(.text("x"), to: "made"), Output(.text("y"), to: "raw")])
            }

            try equal(try await bench.items("raw"), [], "items of the closed queue")
            try equal(try await bench.items("made"), [], "items of the other queue")
        },
        Case("refuses a put into a queue that is not there, with all of its transaction") { bench in
            try await refuses(.notFound, "a put into an unknown queue") {
                try await bench.store.put([Output(.text("x"), to: "raw"), Output(.text("y"), to: "elsewhere")])
            }

            try equal(try await bench.items("raw"), [], "items of the known queue")
        },
        Case("shows a queue page by page") { bench in
            try await bench.fill(5)

            let first = try await bench.store.items(in: "raw", after: nil, limit: 2)
            let second = try await bench.store.items(in: "raw", after: first.last?.id, limit: 2)
            let third = try await bench.store.items(in: "raw", after: second.last?.id, limit: 2)
            let fourth = try await bench.store.items(in: "raw", after: third.last?.id, limit: 2)

            try equal(
                [first, second, third, fourth].map { $0.map(\.id.rawValue) }, [[1, 2], [3, 4], [5], []], "pages")
        },
    ]
}
