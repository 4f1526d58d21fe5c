import Foundation
import LeatTesting
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import Leat

private let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

@Suite("A schedule of ticks")
struct ScheduleTests {
    @Test("ticks at whole intervals from its start, before it too")
    func every() {
        let schedule = Schedule.every(.milliseconds(10), from: Date(milliseconds: 1003))

        #expect(schedule.tick(after: 1003) == 1013)
        #expect(schedule.tick(after: 1002) == 1003)
        #expect(schedule.tick(after: 992) == 993)
        #expect(schedule.tick(after: 993) == 1003)
        #expect(schedule.tick(after: Date(timeIntervalSince1970: 1.0025)) == Date(milliseconds: 1003))
        #expect(schedule.tick(after: Date(milliseconds: 1003)) == Date(milliseconds: 1013))
        #expect(schedule.ticks(after: 1000, through: 1033, upTo: 3) == [1003, 1013, 1023])
        #expect(schedule.ticks(after: 1000, through: 1023, upTo: 9) == [1003, 1013, 1023])
    }

    @Test(
        "finds the last tick between two times as it finds each",
        arguments: [
            Schedule.every(.milliseconds(700_001), from: Date(milliseconds: 13)), .cron("*/7 1-4 * * *"),
            .cron("30 2 * * *", in: TimeZone(identifier: "Europe/Vienna") ?? .gmt),
            .cron("15 * * * *", in: TimeZone(identifier: "Australia/Lord_Howe") ?? .gmt),
            .cron("0 0 1 * *"),
        ])
    func last(schedule: Schedule) {
        var chance = SeededGenerator(seed: 7)
        // Around the end of March 2026, when clocks are changed in both zones.
        for _ in 1...200 {
            let first = 1_774_600_000_000 + Int64.random(in: 0...1_000_000_000, using: &chance)
            let last = first + Int64.random(in: 0...300_000_000, using: &chance)
            #expect(
                schedule.lastTick(after: first, through: last)
                    == schedule.ticks(after: first, through: last, upTo: .max).last, "\(first) to \(last)")
        }
    }

    private func ticking(_ missed: MissedTicks, end: Int64? = nil, now: Int64) -> Ticking {
        Ticking(schedule: .every(.milliseconds(10)), missed: missed, end: end, time: ManualTime(wallClock: now))
    }

    @Test("gives each missed tick its turn, or the last one alone")
    func missed() {
        #expect(ticking(.each, now: 1035).turn(after: 1000, upTo: 9) == .put([1010, 1020, 1030]))
        #expect(ticking(.each, now: 1035).turn(after: 1000, upTo: 2) == .put([1010, 1020]))
        #expect(ticking(.latest, now: 1035).turn(after: 1000, upTo: 9) == .put([1030]))
        #expect(ticking(.latest, now: 1035).turn(after: 1030, upTo: 9) == .wait(.milliseconds(5)))
    }

    @Test("ends with its last tick")
    func end() {
        #expect(ticking(.each, end: 1025, now: 2000).turn(after: 1000, upTo: 9) == .put([1010, 1020]))
        #expect(ticking(.latest, end: 1025, now: 2000).turn(after: 1000, upTo: 9) == .put([1020]))
        #expect(ticking(.each, end: 1025, now: 2000).turn(after: 1020, upTo: 9) == .finish)
        #expect(ticking(.each, end: 1025, now: 1000).turn(after: 1000, upTo: 9) == .wait(.milliseconds(10)))
    }
}

@Suite("A recurring producer", .timeLimit(.minutes(1)))
struct RecurringProducerTests {
    private let time = ManualTime(wallClock: 1000)

    @Test("of a pipeline puts one value a tick, and goes on behind its last tick when it is run again")
    func pipeline() async throws {
        let store = MemoryStore(time: time)
        let kept = Mutex<[Int64]>([])
        func pipeline(until end: Int64) throws -> Pipeline {
            try Pipeline("ticks") {
                Producer(
                    "tick", to: "ticks", on: .every(.milliseconds(10)), until: Date(milliseconds: end)
                ) { (tick: Date) in tick.milliseconds == 1030 ? nil : tick.milliseconds }
                Consumer("keep", from: "ticks") { (tick: Int64) in kept.withLock { $0.append(tick) } }
            }
        }
        try await store.install(try pipeline(until: 1045).plan)
        let run = Task { try await pipeline(until: 1045).runInMemory(store: store) }
        while try await store.items(in: "ticks", after: nil, limit: 9).isEmpty {
            time.advance(by: .milliseconds(5))
            try await Task.sleep(for: .milliseconds(5))
        }
        while time.wallClock < 1060 {
            time.advance(by: .milliseconds(5))
            try await Task.sleep(for: .milliseconds(2))
        }
        _ = try await run.value

        let found = kept.withLock { $0 }
        let first = try #require(found.first)
        #expect(found == [1010, 1020, 1040].filter { $0 >= first })
    }

    @Test("of a queue puts one value a tick, however many run it under one name")
    func several() async throws {
        let store = MemoryStore(time: time)
        let ticks = try await store.queue("ticks", of: Int64.self)
        func producer() -> RecurringProducer<Int64> {
            RecurringProducer(
                "clock", into: ticks, on: .every(.milliseconds(10)), until: Date(milliseconds: 1500), logger: silent
            ) { $0.milliseconds }
        }
        #expect(try await store.begin("clock", into: "ticks") == 1000)

        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 1...4 { group.addTask { try await producer().run() } }
            group.addTask {
                while time.wallClock < 1600 {
                    time.advance(by: .milliseconds(7))
                    try await Task.sleep(for: .milliseconds(1))
                }
            }
            try await group.waitForAll()
        }

        let found = try await store.items(in: "ticks", after: nil, limit: 99).map(\.payload)
        #expect(found == stride(from: 1010, through: 1500, by: 10).map { .text("\($0)") })
    }

    @Test("gives ticks that came while nobody ran it one value, if it is to")
    func latest() async throws {
        let store = MemoryStore(time: time)
        let ticks = try await store.queue("ticks", of: Int64.self)
        _ = try await store.begin("clock", into: "ticks")
        time.advance(by: .milliseconds(5035))

        try await RecurringProducer(
            "clock", into: ticks, on: .every(.milliseconds(10)), missed: .latest, until: Date(milliseconds: 6035),
            logger: silent
        ) { $0.milliseconds }.run()

        #expect(try await store.items(in: "ticks", after: nil, limit: 99).map(\.payload) == [.text("6030")])
    }

    @Test("stops when it is told to, between two ticks")
    func stops() async throws {
        let store = MemoryStore()
        let ticks = try await store.queue("ticks", of: Int64.self)
        let producer = RecurringProducer("clock", into: ticks, on: .every(.seconds(86_400)), logger: silent) {
            $0.milliseconds
        }
        let group = ServiceGroup(services: [producer], logger: silent)

        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await Task.sleep(for: .milliseconds(20))
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }

        #expect(try await ticks.status().ready == 0)
    }
}
