import Foundation
import Leat
import LeatTesting
import Synchronization
import Testing

@Suite("Payloads")
struct PayloadTests {
    /// A count of something, written as one word.
    private struct Count: PayloadConvertible, Sendable, Equatable {
        var name: String
        var count: Int

        init(_ name: String, _ count: Int) { (self.name, self.count) = (name, count) }

        var payload: Payload { .text("\(name)=\(count)") }

        init(payload: Payload) throws {
            let fields = String(decoding: payload.bytes, as: UTF8.self).split(separator: "=")
            guard fields.count == 2, let count = Int(fields[1]) else {
                throw PermanentError("'\(payload.preview)' is no count.")
            }
            self.init(String(fields[0]), count)
        }
    }

    @Test("of a type that writes them itself are what it writes, and come back")
    func convertible() throws {
        let coder = PayloadCoder<Count>()

        #expect(try coder.encode(Count("apples", 3)) == .text("apples=3"))
        #expect(try coder.decode(.text("apples=3")) == Count("apples", 3))
        #expect(throws: PermanentError.self) { try coder.decode(.text("apples")) }
    }

    @Test("have a limit, whoever writes them")
    func limit() {
        let coder = PayloadCoder<Count>()
        let error = #expect(throws: LeatError.self) {
            try coder.encode(Count(String(repeating: "x", count: Payload.limit), 1))
        }
        #expect(error?.code == .payload)
    }

    @Test("of such a type stand in those of others as text")
    func nested() throws {
        let coder = PayloadCoder<[Count]>()
        let counts = [Count("apples", 3), Count("pears", 4)]

        #expect(try coder.encode(counts) == .text(#"["apples=3","pears=4"]"#))
        #expect(try coder.decode(coder.encode(counts)) == counts)
    }

    @Test("of such a type go through a pipeline; what can't be read is a dead letter")
    func pipeline() async throws {
        let seen = Mutex<[Count]>([])
        let pipeline = try Pipeline("counts") {
            Producer(
                "lines", to: "counts", repeating: { [Count("apples", 3), Count("no=count", 1), Count("pears", 4)] })
            Consumer("sum", from: "counts") { (count: Count) in seen.withLock { $0.append(count) } }.maxDead(.any)
        }
        let run = try await pipeline.runInMemory()

        #expect(seen.withLock { $0 } == [Count("apples", 3), Count("pears", 4)])
        #expect(try await run.store.deadLetters(of: nil, limit: 10).map(\.reason) == ["'no=count=1' is no count."])
    }
}
