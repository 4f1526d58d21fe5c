import Leat
import LeatSupervisor
import Synchronization
import Testing

@Suite("patience with a store", .timeLimit(.minutes(1)))
struct PatienceTests {
    @Test("tries again when the disk is full or the database is busy", arguments: [LeatError.Code.diskFull, .busy])
    func again(code: LeatError.Code) async throws {
        let patience = Patience(pause: .zero)
        var tries = 0

        let value = try await patience {
            tries += 1
            if tries < 4 { throw LeatError(code, "Not now.") }
            return "done"
        }

        #expect(value == "done")
        #expect(tries == 4)
    }

    @Test("hands any other error on at once")
    func other() async {
        let patience = Patience(pause: .seconds(3600))

        let error = await #expect(throws: LeatError.self) {
            try await patience { throw LeatError(.storeFailed, "Broken.") }
        }

        #expect(error?.code == .storeFailed)
    }

    @Test("ends its pause when it is woken, and hands the error on when it is to give up")
    func waking() async throws {
        let patience = Patience(pause: .seconds(3600))
        let (tries, sender) = AsyncStream.makeStream(of: Int.self)
        let count = Mutex(0)
        let task = Task {
            try await patience {
                sender.yield(
                    count.withLock { count in
                        count += 1
                        return count
                    })
                throw LeatError(.diskFull, "Full.")
            }
        }
        // Until the second try, since a call may come before there is a pause to end.
        let waker = Task {
            while !Task.isCancelled {
                patience.wake()
                await Task.yield()
            }
        }
        for await number in tries where number == 2 { break }
        waker.cancel()

        patience.giveUp()

        let result = await task.result
        #expect((try? result.get()) == nil)
        #expect(count.withLock { $0 } >= 2)
    }

    @Test("hands the error on when its task is cancelled")
    func cancellation() async {
        let patience = Patience(pause: .seconds(3600))
        let task = Task { try await patience { throw LeatError(.busy, "Locked.") } }

        task.cancel()

        await #expect(throws: LeatError.self) { try await task.value }
    }
}
