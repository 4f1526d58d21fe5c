internal import Leat

extension StoreConformance {
    static let deaths: [Case] = quietDeaths + suspiciousDeaths + foundDeaths

    private static let quietDeaths: [Case] = [
        Case("invariant 3: hands back what an unsuspicious worker held and suspects nobody") { bench in
            for ending: WorkerEnding in [.finished, .stopped, .rebooted, .silent] {
                try await bench.fill(3)
                let worker = try await bench.enroll()
                let lease = try await bench.claim(worker)

                let account = try await bench.store.end(worker, ending)

                let items = try await bench.items().suffix(3)
                try equal(account, .nobody, "whom '\(ending.word)' was charged to")
                try equal(items.map(\.state), [.ready, .ready, .ready], "states after '\(ending.word)'")
                try equal(items.map(\.suspect), [0, 0, 0], "suspicion after '\(ending.word)'")
                try equal(items.map(\.attempts), [0, 0, 0], "attempts after '\(ending.word)'")
                try equal(lease.items.count, 3, "items of the lease")
                try await bench.drain()
            }
            try equal(try await bench.status().failures, 0, "failures")
        },
        Case("invariant 3: leaves suspects under suspicion when their worker is stopped") { bench in
            try await bench.fill(4)
            let worker = try await bench.enroll()
            try await bench.commit(.failedTogether(Failure("torn")), of: try await bench.claim(worker))
            _ = try await bench.claim(worker)

            let account = try await bench.store.end(worker, .stopped)

            try equal(account, .nobody, "whom the end was charged to")
            try equal(try await bench.items().map(\.suspect), [2, 2, 2, 2], "suspicion")
            try equal(try await bench.states(), [.ready, .ready, .ready, .ready], "states")
        },
        Case("hands back all the leases of a worker") { bench in
            try await bench.fill(5)
            let worker = try await bench.enroll()
            _ = try await bench.claim(worker, 2)
            _ = try await bench.claim(worker, 1)
            let other = try await bench.claim(try await bench.enroll(), 1)

            try await bench.store.end(worker, .stopped)

            try equal(try await bench.states(), [.ready, .ready, .ready, .leased, .ready], "states")
            try await bench.commit(.done, of: other)
        },
    ]

    private static let suspiciousDeaths: [Case] = [
        Case("invariant 3: halves the batch of a worker that died") { bench in
            for ending: WorkerEnding in [.killed, .crashed("abort"), .timedOut("too slow")] {
                try await bench.fill(3)
                let worker = try await bench.enroll()
                _ = try await bench.claim(worker)

                let account = try await bench.store.end(worker, ending)

                let items = try await bench.items().suffix(3)
                try equal(account, .halved, "whom '\(ending.word)' was charged to")
                try equal(items.map(\.state), [.ready, .ready, .ready], "states after '\(ending.word)'")
                try equal(items.map(\.suspect), [2, 2, 2], "suspicion after '\(ending.word)'")
                try equal(items.map(\.attempts) + items.map(\.kills), [0, 0, 0, 0, 0, 0], "charges")
                try await bench.drain()
            }
            try equal(try await bench.state(), .waiting, "the stage's state: a death that halves does not count")
        },
        Case("invariant 3: halves what was left of a batch") { bench in
            try await bench.fill(6)
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)
            try await bench.commit(each(.done, 2), of: lease)

            try await bench.store.end(worker, .killed)

            let left = try await bench.items().filter { $0.id != ItemID(2) }
            try equal(left.map(\.suspect), [3, 3, 3, 3, 3], "suspicion")
        },
        Case("invariant 3: does not charge an item that was alone by chance, but suspects it") { bench in
            try await bench.fill(1)
            let worker = try await bench.enroll()
            _ = try await bench.claim(worker)

            let account = try await bench.store.end(worker, .crashed("exit 1"))

            let item = try await bench.item(1)
            try equal(account, .halved, "whom the death was charged to")
            try equal(item.state, .ready, "state")
            try equal(item.suspect, 1, "suspicion")
            try equal([item.attempts, item.kills], [0, 0], "attempts and kills")
        },
        Case("invariant 3: charges an attempt to an item that was alone under suspicion, up to its death") { bench in
            try await bench.fill(1)
            let first = try await bench.enroll()
            _ = try await bench.claim(first)
            try await bench.store.end(first, .crashed("signal 6"))

            for attempt in 1...3 {
                let worker = try await bench.enroll()
                let lease = try await bench.claim(worker)
                try equal(lease.isSuspect, true, "whether the lease is suspect")
                let account = try await bench.store.end(worker, .crashed("signal 6"))
                try equal(account, .charged, "whom death \(attempt) was charged to")
                try equal(try await bench.item(1).attempts, attempt, "attempts")
                guard attempt < 3 else { continue }
                let wait: Int64 = attempt == 1 ? 1_000 : 2_000
                try equal(try await bench.item(1).state, .waiting, "state")
                try equal(try await bench.item(1).suspect, 1, "suspicion")
                try equal(
                    try await bench.ask(try await bench.enroll()), .nothing(until: bench.time.wallClock + wait),
                    "a claim during the back-off")
                bench.time.advance(by: .milliseconds(wait))
            }

            let item = try await bench.item(1)
            try equal(item.state, .dead, "state at the end")
            try equal(item.reason, WorkerEnding.crashed("signal 6").reason, "reason")
            try equal(item.kills, 0, "kills")
        },
        Case("invariant 3: has a budget of ten for deaths by SIGKILL, apart from the attempts") { bench in
            try await bench.fill(1)
            let first = try await bench.enroll()
            _ = try await bench.claim(first)
            try await bench.store.end(first, .killed)

            for kill in 1...10 {
                try equal(try await bench.item(1).state, .ready, "state before kill \(kill)")
                let worker = try await bench.enroll()
                _ = try await bench.claim(worker)
                try equal(try await bench.store.end(worker, .killed), .charged, "whom kill \(kill) was charged to")
                try equal(try await bench.item(1).kills, kill, "kills")
                try equal(try await bench.item(1).attempts, 0, "attempts")
            }

            let item = try await bench.item(1)
            try equal(item.state, .dead, "state at the end")
            try equal(
                item.reason, "its worker was killed 10 times while it had this item alone", "reason")
        },
        Case("invariant 3: finds the item that kills its worker, and charges no other") { bench in
            try await bench.fill(8)
            var rounds = 0
            while try await bench.item(3).state != .dead {
                rounds += 1
                try demand(rounds < 80, "the culprit was not found in 80 rounds")
                let worker = try await bench.enroll()
                guard let lease = try await bench.ask(worker).lease else {
                    bench.time.advance(by: .seconds(5))
                    continue
                }
                if lease.ids.contains(3) {
                    try await bench.store.end(worker, .crashed("abort"))
                } else {
                    try await bench.commit(.done, of: lease)
                    try await bench.store.end(worker, .finished)
                }
                for item in try await bench.items() where item.id != ItemID(3) && item.state != .done {
                    try equal([item.attempts, item.kills], [0, 0], "charges of the innocent item \(item.id)")
                }
            }
            try await bench.drain()

            try equal(try await bench.status().done, 7, "done items")
            try equal(try await bench.status().dead, 1, "dead items")
            try demand(try await bench.state() != .failed, "the stage failed for deaths that items were charged with")
        },
        Case("puts the item that was in hand under suspicion and hands back the others") { bench in
            try await bench.fill(4)
            let worker = try await bench.enroll()
            _ = try await bench.claim(worker)

            try bench.store.endBlocking(worker, .timedOut("took longer than a minute"), culprit: ItemID(3))

            try equal(try await bench.states(), [.ready, .ready, .ready, .ready], "states")
            try equal(try await bench.items().map(\.suspect), [0, 0, 1, 0], "suspicion")
            try equal(try await bench.items().map(\.attempts), [0, 0, 0, 0], "attempts")

            var culprit: (worker: WorkerID, lease: Lease)?
            while culprit == nil {
                let worker = try await bench.enroll()
                let lease = try await bench.claim(worker)
                if lease.ids == [3] { culprit = (worker, lease) } else { try await bench.commit(.done, of: lease) }
            }
            try bench.store.endBlocking(culprit!.worker, .timedOut("took longer than a minute"), culprit: ItemID(3))
            try equal(try await bench.item(3).attempts, 1, "attempts after it was alone")
            try equal(try await bench.item(3).state, .waiting, "state after it was alone")
        },
        Case("takes no notice of a second end of one worker") { bench in
            try await bench.fill(4)
            let worker = try await bench.enroll()
            _ = try await bench.claim(worker)
            try await bench.store.end(worker, .stopped)
            let items = try await bench.items()

            let account = try await bench.store.end(worker, .killed)

            try equal(account, .nobody, "whom the second end was charged to")
            try equal(try await bench.items(), items, "the items")
            try equal(try await bench.store.workers().first { $0.id == worker }?.ending, "stopped", "the ending")
        },
    ]

    private static let foundDeaths: [Case] = [
        Case("invariant 7: tells an ended worker at its next heartbeat that it is lost") { bench in
            let worker = try await bench.enroll()
            try equal(try bench.store.beat(worker), .alive, "the heartbeat of a live worker")

            try await bench.store.end(worker, .silent)

            try equal(try bench.store.beat(worker), .lost, "the heartbeat of an ended worker")
        },
        Case("invariant 8: takes a silent worker's lease away when it is over, not before") { bench in
            try await bench.fill(2)
            let worker = try await bench.enroll()
            let lease = try await bench.claim(worker)
            let duration = bench.store.terms.duration

            bench.time.advance(by: duration - .milliseconds(1))
            try equal(try await bench.store.reap(supervisor: nil), [], "reaped before the lease was over")
            try equal(try bench.store.beat(worker), .alive, "heartbeat")
            bench.time.advance(by: duration - .milliseconds(1))
            try equal(try await bench.store.reap(supervisor: nil), [], "reaped after a heartbeat")
            try equal(try await bench.states(), [.leased, .leased], "states before")
            bench.time.advance(by: .seconds(1))

            let reaped = try await bench.store.reap(supervisor: nil)

            try equal(
                reaped, [Reaped(worker: worker, stage: "work", ending: .silent, account: .nobody)], "reaped")
            try equal(try await bench.states(), [.ready, .ready], "states after")
            try equal(try await bench.items().map(\.suspect), [0, 0], "suspicion: a stopped process is no culprit")
            try await refuses(.leaseLost, "the late step") { try await bench.commit(.done, of: lease) }
            try equal(try await bench.store.reap(supervisor: nil), [], "reaped a second time")
        },
        Case("invariant 8: does not take a lease away when only the wall clock jumps") { bench in
            try await bench.fill(1)
            let lease = try await bench.claim(try await bench.enroll())

            bench.time.wallClock += 86_400_000
            try equal(try await bench.store.reap(supervisor: nil), [], "reaped after a jump forwards")
            bench.time.wallClock -= 2 * 86_400_000
            try equal(try await bench.store.reap(supervisor: nil), [], "reaped after a jump backwards")

            try await bench.commit(.done, of: lease)
            try equal(try await bench.states(), [.done], "states")
        },
        Case("invariant 8: takes all leases away at once after a new boot, and suspects nobody") { bench in
            try await bench.fill(3)
            let workers = [try await bench.enroll(), try await bench.enroll("last")]
            let lease = try await bench.claim(workers[0])
            bench.time.bootID = "boot-2"
            bench.time.instant = 5

            let reaped = try await bench.store.reap(supervisor: nil)

            try equal(reaped.map(\.worker).sorted(), workers, "reaped workers")
            try equal(reaped.map(\.ending), [.rebooted, .rebooted], "their endings")
            try equal(reaped.map(\.account), [.nobody, .nobody], "whom they were charged to")
            try equal(try await bench.states(), [.ready, .ready, .ready], "states")
            try equal(try await bench.items().map(\.suspect), [0, 0, 0], "suspicion")
            try await refuses(.leaseLost, "a step from before the boot") { try await bench.commit(.done, of: lease) }
            try await bench.drain()
        },
        Case("lists its workers with how they ended") { bench in
            let live = try await bench.enroll()
            let ended = try await bench.enroll("last")
            try await bench.store.end(ended, .crashed("exit 3"))

            let workers = try await bench.store.workers()

            try equal(workers.first { $0.id == live }?.ending, .some(nil), "the live worker's ending")
            try equal(workers.first { $0.id == live }?.stage, "work", "the live worker's stage")
            try demand(
                workers.first { $0.id == ended }?.ending?.hasPrefix("crashed") ?? true,
                "the ended worker is listed as \(String(describing: workers.first { $0.id == ended }))")
            try equal(try await bench.status().workers, 1, "live workers of the stage")
            try equal(try await bench.status("last").workers, 0, "live workers of the other stage")
        },
        Case("invariant 3: a failure of the stage's own is no item's: what it held is handed back, unsuspected") {
            bench in
            try await bench.fill(4)
            let worker = try await bench.enroll()
            _ = try await bench.claim(worker)

            let account = try await bench.store.end(worker, .failed(Failure("the disk is broken")))

            try equal(account, .stage, "whom it was charged to")
            let items = try await bench.items()
            try equal(items.map(\.state), [.ready, .ready, .ready, .ready], "states")
            try equal(items.map(\.suspect), [0, 0, 0, 0], "suspicion")
            try equal(items.map(\.attempts), [0, 0, 0, 0], "attempts")
            try equal(try await bench.status().failures, 1, "failures counted")
        },
        Case("shows a worker as live only as long as it was seen within its lease") { bench in
            let worker = try await bench.enroll()
            try await bench.fill(3)
            _ = try await bench.claim(worker)
            try equal(try await bench.status().workers, 1, "live workers")
            try equal(try await bench.state(), .running, "the stage's state")

            bench.time.advance(by: bench.store.terms.duration + .seconds(1))

            try equal(try await bench.status().workers, 0, "live workers after its lease")
            try equal(try await bench.state(), .ready, "the stage's state after its lease")
            let record = try await bench.store.workers().first { $0.id == worker }
            try equal(record?.isLive, false, "whether it is listed as live")
            try equal(record?.ending, .some(nil), "its ending, which nobody has written down")
        },
    ]
}
