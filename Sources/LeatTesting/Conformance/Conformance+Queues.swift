internal import Leat

/// A queue on its own, beside the case's pipeline.
private let mail: QueueName = "mail"

extension Bench {
    /// Makes the queue with some items, and enrolls one who claims from it.
    fileprivate func makeMail(_ count: Int = 0, policy: StagePolicy = .plain) async throws -> WorkerID {
        _ = try await store.makeQueue(mail, policy: policy)
        if count > 0 { try await fill(count, mail) }
        return try await taker()
    }

    fileprivate func taker() async throws -> WorkerID {
        try await store.enroll(Enrollment(stage: StageName(of: mail), pid: ownProcess, sign: .process))
    }

    fileprivate func ask(_ worker: WorkerID, _ limit: Int = 100, for duration: Duration) async throws -> Claim {
        try await store.claim(ClaimRequest(StageName(of: mail), worker: worker, limit: limit, for: duration))
    }

    fileprivate func take(
        _ worker: WorkerID, _ limit: Int = 100, for duration: Duration = .seconds(30), file: String = #fileID,
        line: Int = #line
    ) async throws -> Lease {
        let answer = try await ask(worker, limit, for: duration)
        guard let lease = answer.lease else {
            throw ConformanceFailure("the claim was not granted: \(answer)", file: file, line: line)
        }
        return lease
    }

    fileprivate func mailStatus() async throws -> QueueStatus {
        guard let status = try await store.queues().first(where: { $0.queue == mail }) else {
            throw ConformanceFailure("the queue is not listed", file: #fileID, line: #line)
        }
        return status
    }
}

extension StoreConformance {
    static let queues: [Case] = making + expiring + ending

    private static let making: [Case] = [
        Case("makes a queue on its own beside the pipeline, once") { bench in
            let made = try await bench.store.makeQueue(mail, policy: nil)
            let found = try await bench.store.makeQueue(mail, policy: nil)

            try equal(made, StageSpec(queue: mail), "what takes from it")
            try equal(found, made, "what was found the second time")
            try equal(try await bench.store.plan()?.consumer(of: mail), made, "what the plan has")
            try equal(try await bench.store.queues().map(\.queue).contains(mail), true, "whether it is listed")
            try equal(try await bench.mailStatus().stage, nil, "its stage")
            try equal(try await bench.store.queues().first { $0.queue == "raw" }?.stage, "work", "the stage of another")
        },
        Case("replaces the policy of a queue on its own when one is given, and leaves it when not") { bench in
            _ = try await bench.store.makeQueue(mail, policy: .strict(attempts: 7))
            let left = try await bench.store.makeQueue(mail, policy: nil)
            let changed = try await bench.store.makeQueue(mail, policy: .strict(attempts: 1))

            try equal(left.policy.retry.attempts, 7, "attempts when none was given")
            try equal(changed.policy.retry.attempts, 1, "attempts when one was given")
            let worker = try await bench.taker()
            try await bench.fill(1, mail)
            try await bench.commit(each(.failed(Failure("torn")), 1), of: try await bench.take(worker))
            try equal(try await bench.states(mail), [.dead], "the item after its only attempt")
        },
        Case("tells since when the oldest ready item of a queue has been there") { bench in
            let worker = try await bench.makeMail()
            try equal(try await bench.mailStatus().oldestReadyAt, nil, "with nothing")
            var times: [Int64] = []
            for _ in 1...4 {
                times.append(bench.time.wallClock)
                try await bench.fill(1, mail)
                bench.time.advance(by: .seconds(1))
            }
            try equal(try await bench.mailStatus().oldestReadyAt, times[0], "at the frontier")

            let lease = try await bench.take(worker, 3)
            try equal(try await bench.mailStatus().oldestReadyAt, times[3], "behind a lease")
            try await bench.commit(each(.released, 2), of: lease)
            try equal(try await bench.mailStatus().oldestReadyAt, times[1], "of a row")
            try await bench.store.end(worker, .stopped)
            try equal(try await bench.mailStatus().oldestReadyAt, times[0], "of an orphan")
        },
        Case("finds a queue of the pipeline, with its stage, and refuses another policy for it") { bench in
            let found = try await bench.store.makeQueue("raw", policy: nil)

            try equal(found.name, "work", "the stage")
            try await refuses(.refused, "a policy for a pipeline's queue") {
                _ = try await bench.store.makeQueue("raw", policy: .strict(attempts: 9))
            }
        },
        Case("refuses a queue on its own of the name of a stage") { bench in
            try await refuses(.invalidPipeline, "the queue") {
                _ = try await bench.store.makeQueue("work", policy: nil)
            }
            try equal(try await bench.store.queues().map(\.queue).contains("work"), false, "whether it was made")
        },
        Case("keeps queues on their own when the pipeline is installed again") { bench in
            let worker = try await bench.makeMail(2)

            try await bench.store.install(bench.plan)

            try equal(try await bench.take(worker).ids, [1, 2], "what is claimed")
            try equal(try await bench.store.status().map(\.stage).contains("mail"), true, "whether it has a status")
        },
        Case("claims from a queue on its own only for a time, and from a pipeline's only without") { bench in
            let worker = try await bench.makeMail(1)
            try await bench.fill(1)
            let other = try await bench.enroll()

            try await refuses(.refused, "a claim without a time") {
                _ = try await bench.store.claim(ClaimRequest(StageName(of: mail), worker: worker, limit: 1))
            }
            try await refuses(.refused, "a claim for a time") {
                _ = try await bench.store.claim(ClaimRequest("work", worker: other, limit: 1, for: .seconds(1)))
            }
        },
        Case("hands out, settles and counts what is in a queue on its own") { bench in
            let worker = try await bench.makeMail(5)

            let lease = try await bench.take(worker, 3)
            try await bench.commit(.done, of: lease)
            let second = try await bench.take(worker)
            try await bench.commit(each(.failed(Failure("no such address", .never)), 4), of: second)

            let status = try await bench.mailStatus()
            try equal(
                [status.done, status.dead, status.leased, status.ready], [3, 1, 1, 0], "done, dead, leased, ready")
            try equal(
                try await bench.store.deadLetters(of: StageName(of: mail), limit: 9).map(\.reason), ["no such address"],
                "reasons")
        },
    ]

    private static let expiring: [Case] = [
        Case("invariant 2: refuses everything under a lease whose items went to another when its time was over") {
            bench in
            let late = try await bench.makeMail(2)
            let lost = try await bench.take(late, for: .seconds(10))
            bench.time.advance(by: .seconds(10))

            let lease = try await bench.take(try await bench.taker())

            try equal(lease.ids, [1, 2], "what the other received")
            try equal(lease.items.map(\.claims), [2, 2], "claims")
            for verdict in [Verdict.done, each(.done, 1), .released, .failedTogether(Failure("torn"))] {
                try await refuses(.leaseLost, "\(verdict)") { try await bench.commit(verdict, of: lost) }
            }
            try await refuses(.leaseLost, "a renewal") { try await bench.store.renew(lost, for: .seconds(10)) }
            try equal(try await bench.status(StageName(of: mail)).refused, 4, "refusals counted")
            try await bench.commit(.done, of: lease)
        },
        Case("invariant 3: suspects nobody and spends nothing when the time of a lease is over") { bench in
            let worker = try await bench.makeMail(3)
            _ = try await bench.take(worker, for: .seconds(10))
            bench.time.advance(by: .seconds(11))

            try equal(try await bench.store.reap(supervisor: nil), [], "who was found dead")

            let items = try await bench.items(mail)
            try equal(items.map(\.state), [.ready, .ready, .ready], "states")
            try equal(items.map(\.suspect), [0, 0, 0], "suspicion")
            try equal(items.map(\.attempts), [0, 0, 0], "attempts")
        },
        Case("keeps items as long as their lease is renewed") { bench in
            let worker = try await bench.makeMail(2)
            let other = try await bench.taker()
            let lease = try await bench.take(worker, for: .seconds(10))
            for _ in 1...5 {
                bench.time.advance(by: .seconds(9))
                try await bench.store.renew(lease, for: .seconds(10))
                try equal(
                    try await bench.ask(other, for: .seconds(1)).isNothing, true, "whether another received nothing")
            }

            try await bench.commit(.done, of: lease)

            try equal(try await bench.states(mail), [.done, .done], "states")
        },
        Case("tells when the next lease of a queue on its own is over") { bench in
            let worker = try await bench.makeMail(1)
            _ = try await bench.take(worker, for: .seconds(10))

            let answer = try await bench.ask(try await bench.taker(), for: .seconds(10))

            try equal(answer, .nothing(until: bench.time.wallClock + 10_000), "the answer")
        },
        Case("takes a late acknowledgement as long as nobody else has the items") { bench in
            let worker = try await bench.makeMail(1)
            let lease = try await bench.take(worker, for: .seconds(10))
            bench.time.advance(by: .seconds(60))

            try await bench.commit(.done, of: lease)

            try equal(try await bench.states(mail), [.done], "the state")
        },
        Case("invariant 8: ends the leases of an earlier boot, whatever their time") { bench in
            let worker = try await bench.makeMail(1)
            _ = try await bench.take(worker, for: .seconds(3600))
            bench.time.bootID = "boot-2"

            let lease = try await bench.take(try await bench.taker())

            try equal(lease.ids, [1], "what is claimed after the boot")
        },
        Case("takes nobody who claims for a time for dead, however silent") { bench in
            let worker = try await bench.makeMail(1)
            let lease = try await bench.take(worker, for: .seconds(7200))
            bench.time.advance(by: .seconds(3600))

            try equal(try await bench.store.reap(supervisor: nil), [], "who was found dead")

            try equal(try await bench.store.workers().first { $0.id == worker }?.isLive, true, "whether it lives")
            try await bench.commit(.done, of: lease)
        },
        Case("gives a claimer that holds something nothing new while a suspect waits") { bench in
            let worker = try await bench.makeMail(4)
            let lease = try await bench.take(worker, 2)
            try await bench.commit(.failedTogether(Failure("torn")), of: try await bench.take(worker, 1))
            try await bench.store.end(worker, .killed)
            let next = try await bench.taker()
            try await bench.fill(1, mail)

            let suspects = try await bench.take(next)
            try equal(suspects.isSuspect, true, "whether what is claimed first is suspect")
            try await bench.commit(.done, of: suspects)
            let other = try await bench.taker()
            let rest = try await bench.take(other, 1)

            if !rest.isSuspect {
                try equal(
                    try await bench.ask(other, for: .seconds(1)), .nothing(until: bench.time.wallClock + 30_000),
                    "the next claim")
            }
            try equal(lease.items.count, 2, "items of the first lease")
            try await bench.commit(.done, of: rest)
        },
    ]

    private static let ending: [Case] = [
        Case("invariant 5: never ends a queue that is not sealed, and refuses items when it is") { bench in
            let worker = try await bench.makeMail(1)
            try await bench.commit(.done, of: try await bench.take(worker))
            try equal(try await bench.ask(worker, for: .seconds(1)), .nothing(until: nil), "a claim before the seal")
            try equal(try await bench.mailStatus().isClosed, false, "closed before the seal")

            try await bench.store.seal(mail, by: "test")

            try equal(try await bench.ask(worker, for: .seconds(1)), .finished, "a claim after the seal")
            try equal(try await bench.mailStatus().isFinished, true, "finished")
            try equal(try await bench.state(StageName(of: mail)), .complete, "its state")
            try await refuses(.queueClosed, "a put") { try await bench.fill(1, mail) }
        },
        Case("hands out what a sealed queue still has before it is finished") { bench in
            let worker = try await bench.makeMail(2)
            try await bench.store.seal(mail, by: "test")

            let lease = try await bench.take(worker)
            let other = try await bench.ask(try await bench.taker(), for: .seconds(1))

            try equal(other, .nothing(until: bench.time.wallClock + 30_000), "what another is told meanwhile")
            try equal(try await bench.ask(worker, for: .seconds(1)), .finished, "what its holder is told")
            try await bench.commit(.done, of: lease)
            try equal(try await bench.ask(try await bench.taker(), for: .seconds(1)), .finished, "the last claim")
        },
        Case("opens a sealed queue again by order") { bench in
            let worker = try await bench.makeMail(1)
            try await bench.store.seal(mail, by: "test")

            try await bench.store.reopen(mail, by: "test")
            try await bench.fill(1, mail)

            try equal(try await bench.take(worker).ids, [1, 2], "what is claimed")
            try equal(try await bench.mailStatus().isSealed, false, "sealed")
        },
        Case("invariant 5: opens a pipeline's queue by order, and takes back what followed from its end") { bench in
            try await bench.close(with: [Output(.text("1"), to: "raw")])
            try await bench.drain(into: ["made"])
            try await bench.drain("last")
            try equal(try await bench.state("last"), .complete, "the last stage before")

            try await bench.store.reopen("raw", by: "test")
            try equal(try await bench.status("last").isClosed, false, "closed while opened")
            try await bench.fill(1)
            try await bench.drain(into: ["made"])
            try await bench.drain("last")
            try equal(try await bench.state("last"), .waiting, "the last stage while opened")
            try await bench.store.seal("raw", by: "test")

            try equal(try await bench.state("last"), .complete, "the last stage after the seal")
            try equal(try await bench.status("last").done, 2, "items of the last stage")
        },
        Case("keeps a cycle from ending while one of its queues is open by order", on: .cycle) { bench in
            try await bench.store.reopen("raw", by: "test")
            try await bench.close(with: [Output(.text("1"), to: "raw")])
            try await bench.drain(into: ["made"])
            try await bench.drain("back")
            try equal(try await bench.status("last").isClosed, false, "closed while opened")
            try equal(try await bench.state("work"), .waiting, "a member while opened")

            try await bench.store.seal("raw", by: "test")

            try equal(try await bench.status("last").isClosed, true, "closed after the seal")
            try equal(try await bench.state("work"), .complete, "a member after the seal")
        },
        Case("refuses to open a queue before a stage that has passed on its whole input", on: .sorting) { bench in
            try await bench.close(with: [Output(.text("1"), to: "raw")])
            try await bench.drain(into: ["made"])
            let worker = try await bench.enroll("sort")
            let all = try await bench.store.claimAll("sort", worker: worker)
            guard let lease = all.lease else { throw ConformanceFailure("\(all)", file: #fileID, line: #line) }
            try await bench.commit(.done, of: lease, outputs: [Output(.text("1"), to: "end")], ends: true)

            try await refuses(.refused, "opening the queue") { try await bench.store.reopen("raw", by: "test") }
            try equal(try await bench.status("work").isClosed, true, "closed")
        },
        Case("refuses orders on a queue that is not there") { bench in
            try await refuses(.notFound, "a seal") { try await bench.store.seal("nowhere", by: "test") }
            try await refuses(.notFound, "a reopening") { try await bench.store.reopen("nowhere", by: "test") }
        },
    ]
}
