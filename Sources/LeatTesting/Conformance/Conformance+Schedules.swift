internal import Leat

extension StoreConformance {
    static let schedules: [Case] = [
        Case("begins a schedule at its own time, once") { bench in
            let began = bench.time.wallClock
            try equal(try await bench.store.begin("clock", into: "raw"), began, "where it begins")
            bench.time.advance(by: .seconds(5))

            try equal(try await bench.store.begin("clock", into: "raw"), began, "where it stands later")
            try equal(try await bench.store.begin("other", into: "raw"), began + 5000, "where another begins")
        },
        Case("puts the item of a tick once, whoever puts it, and notes the tick") { bench in
            let began = try await bench.store.begin("clock", into: "raw")
            func put(_ tick: Int64, after last: Int64) async throws -> Bool {
                try await bench.store.put([Output(.text("\(tick)"), to: "raw")], at: tick, of: "clock", after: last)
            }

            try equal(try await put(began + 10, after: began), true, "the first put")
            try equal(try await put(began + 10, after: began), false, "the same by another")
            try equal(try await put(began + 30, after: began + 20), false, "one that stands elsewhere")
            try equal(try await bench.store.begin("clock", into: "raw"), began + 10, "where it stands")
            try equal(try await put(began + 20, after: began + 10), true, "the next put")
            try equal(
                try await bench.items().map(\.payload), [.text("\(began + 10)"), .text("\(began + 20)")], "items")
        },
        Case("notes a tick that has no item") { bench in
            let began = try await bench.store.begin("clock", into: "raw")

            try equal(try await bench.store.put([], at: began + 1, of: "clock", after: began), true, "the put")
            try equal(try await bench.store.begin("clock", into: "raw"), began + 1, "where it stands")
            try equal(try await bench.items().count, 0, "items")
        },
        Case("invariant 1: notes no tick whose item is refused") { bench in
            let began = try await bench.store.begin("clock", into: "raw")
            try await bench.close()

            try await refuses(.queueClosed, "a tick's item for a closed queue") {
                _ = try await bench.store.put([Output(.text("x"), to: "raw")], at: began + 1, of: "clock", after: began)
            }
            try equal(try await bench.store.begin("clock", into: "raw"), began, "where it stands")
        },
        Case("refuses a schedule's name for another queue, and a queue that is not there") { bench in
            _ = try await bench.store.begin("clock", into: "raw")

            try await refuses(.refused, "the name for another queue") {
                _ = try await bench.store.begin("clock", into: "made")
            }
            try await refuses(.notFound, "an unknown queue") { _ = try await bench.store.begin("x", into: "nowhere") }
        },
    ]
}
