import Leat
import LeatTesting
import Synchronization
import Testing

@testable import Leat

private let numbers: QueueReference<Int> = "numbers"

private func hold(cursor: String? = nil, emitted: Int64 = 0) -> ShardHold {
    ShardHold(id: ShardID("source"), epoch: 1, worker: WorkerID(1), cursor: cursor, emitted: emitted)
}

/// Runs a producer's code by itself, with a list in place of the store.
private struct Bench {
    var batch = 100
    var hold = LeatTests.hold()
    var isStopping: @Sendable () -> Bool = { false }
    let time = ManualTime()

    func chunks(of producer: Producer) async throws -> [SourceChunk] {
        guard case .source(let body) = producer.definition.body else { return [] }
        let activity = Activity(stage: "source", queue: nil, runID: "run", time: time)
        var chunks: [SourceChunk] = []
        let run = SourceRun(hold: hold, batch: batch, activity: activity, isStopping: isStopping) { chunks.append($0) }
        try await body(run)
        return chunks
    }
}

@Suite("A producer with a cursor")
struct CursorTests {
    private func producer() -> Producer {
        Producer("source", to: numbers) { (cursor: Int?) in
            ((cursor ?? 0) + 1...10).map { Sourced($0 * 10, cursor: $0, key: "k\($0)") }
        }
    }

    @Test("puts chunks with the cursor of their last value, and its end by itself")
    func chunks() async throws {
        let chunks = try await Bench(batch: 5).chunks(of: producer())

        #expect(chunks.map(\.outputs.count) == [5, 5, 0])
        #expect(chunks.map(\.cursor) == ["5", "10", "10"])
        #expect(chunks.map(\.isLast) == [false, false, true])
        #expect(chunks[0].outputs[0] == Output(.text("10"), to: "numbers", key: "k1"))
    }

    @Test("goes on behind its saved cursor")
    func resumes() async throws {
        let chunks = try await Bench(hold: hold(cursor: "8", emitted: 8)).chunks(of: producer())

        #expect(chunks.flatMap(\.outputs).map(\.payload) == [.text("90"), .text("100")])
    }

    @Test("refuses a cursor of another type with a sentence")
    func type() async {
        let error = await #expect(throws: LeatError.self) {
            try await Bench(hold: hold(cursor: "\"eight\"", emitted: 8)).chunks(of: producer())
        }

        #expect(error?.code == .cannotResume)
    }

    @Test("runs to its end in one chunk when all fits")
    func small() async throws {
        let chunks = try await Bench().chunks(of: producer())

        #expect(chunks.map(\.outputs.count) == [10])
        #expect(chunks.map(\.isLast) == [true])
    }

    @Test("commits what it has and stops when a stop is asked for")
    func stops() async throws {
        let asked = Atomic(0)
        let bench = Bench(isStopping: { asked.wrappingAdd(1, ordering: .relaxed).oldValue >= 3 })

        let chunks = try await bench.chunks(of: producer())

        #expect(chunks.map(\.outputs.count) == [3])
        #expect(chunks.map(\.cursor) == ["3"])
        #expect(chunks.map(\.isLast) == [false])
    }

    @Test("does not hold back a value for longer than a second")
    func patience() async throws {
        let bench = Bench()
        let slow = Producer("source", to: numbers) { (_: Int?) in
            (1...3).lazy.map { number in
                bench.time.advance(by: .milliseconds(600))
                return Sourced(number, cursor: number)
            }
        }

        let chunks = try await bench.chunks(of: slow)

        #expect(chunks.map(\.outputs.count) == [3, 0])
    }
}

@Suite("A producer that repeats its sequence")
struct RepeatingTests {
    private func producer(_ values: [Int]) -> Producer { Producer("source", to: numbers, repeating: { values }) }

    private func cursor(after values: [Int]) async throws -> String? {
        try await Bench().chunks(of: producer(values)).last?.cursor
    }

    @Test("saves how many values it has put, and their hash")
    func saves() async throws {
        let cursor = try #require(try await cursor(after: [1, 2, 3]))

        #expect(cursor.hasPrefix("{\"count\":3,\"hash\":\""))
    }

    @Test("leaves out what it has put before")
    func resumes() async throws {
        let saved = try await cursor(after: [1, 2, 3])

        let chunks = try await Bench(hold: hold(cursor: saved, emitted: 3)).chunks(of: producer([1, 2, 3, 4, 5]))

        #expect(chunks.flatMap(\.outputs).map(\.payload) == [.text("4"), .text("5")])
        #expect(try await chunks.last?.cursor == cursor(after: [1, 2, 3, 4, 5]))
    }

    @Test("ends without a value when it had put all of them")
    func nothingLeft() async throws {
        let saved = try await cursor(after: [1, 2, 3])

        let chunks = try await Bench(hold: hold(cursor: saved, emitted: 3)).chunks(of: producer([1, 2, 3]))

        #expect(chunks.map(\.outputs.count) == [0])
        #expect(chunks.map(\.isLast) == [true])
    }

    @Test(
        "refuses a sequence whose beginning has changed, or that is shorter now", arguments: [[1, 9, 3, 4], [1, 2]])
    func changed(_ values: [Int]) async throws {
        let saved = try await cursor(after: [1, 2, 3])

        let error = await #expect(throws: LeatError.self) {
            try await Bench(hold: hold(cursor: saved, emitted: 3)).chunks(of: producer(values))
        }

        #expect(error?.code == .cannotResume)
        #expect(error?.message.contains("3") == true)
    }

    @Test("tells apart values that only differ in where one ends and the next begins")
    func borders() async throws {
        let texts: QueueReference<String> = "texts"
        let first = try await Bench().chunks(of: Producer("source", to: texts, repeating: { ["ab", "c"] }))
        let second = try await Bench().chunks(of: Producer("source", to: texts, repeating: { ["a", "bc"] }))

        #expect(first.last?.cursor != second.last?.cursor)
    }
}

@Suite("A producer without a cursor")
struct LooseTests {
    @Test("puts its values from the beginning")
    func begins() async throws {
        let chunks = try await Bench().chunks(of: Producer("source", to: numbers) { [1, 2, 3] })

        #expect(chunks.map(\.outputs.count) == [3])
        #expect(chunks.map(\.cursor) == [nil])
    }

    @Test("refuses to go on after it has put something, and names the choices")
    func refuses() async {
        let error = await #expect(throws: LeatError.self) {
            try await Bench(hold: hold(emitted: 2)).chunks(of: Producer("source", to: numbers) { [1, 2, 3] })
        }

        #expect(error?.code == .cannotResume)
        for choice in ["Sourced", "key:", "repeating:"] { #expect(error?.message.contains(choice) == true) }
    }

    @Test("begins again when its values have keys")
    func keys() async throws {
        let producer = Producer("source", to: numbers, key: { "k\($0)" }) { [1, 2] }

        let chunks = try await Bench(hold: hold(emitted: 2)).chunks(of: producer)

        #expect(chunks.flatMap(\.outputs).map(\.key) == ["k1", "k2"])
    }
}

@Suite("A producer from an asynchronous sequence")
struct AsyncSourceTests {
    @Test("puts its values in chunks, and its end")
    func chunks() async throws {
        let producer = Producer("source", to: numbers) { (cursor: Int?) in
            AsyncStream { continuation in
                for number in (cursor ?? 0) + 1...10 { continuation.yield(Sourced(number, cursor: number)) }
                continuation.finish()
            }
        }

        let chunks = try await Bench(batch: 4, hold: hold(cursor: "2", emitted: 2)).chunks(of: producer)

        #expect(chunks.flatMap(\.outputs).count == 8)
        #expect(chunks.allSatisfy { $0.outputs.count <= 4 })
        #expect(chunks.last?.isLast == true)
        #expect(chunks.last?.cursor == "10")
    }

    @Test("keeps what came before an error, and throws it")
    func error() async throws {
        struct Broken: Error {}
        let chunks = Mutex<[SourceChunk]>([])
        let producer = Producer("source", to: numbers) { (_: Int?) in
            AsyncThrowingStream<Sourced<Int, Int>, any Error> { continuation in
                continuation.yield(Sourced(1, cursor: 1))
                continuation.finish(throwing: Broken())
            }
        }
        guard case .source(let body) = producer.definition.body else { return }
        let activity = Activity(stage: "source", queue: nil, runID: "run", time: ManualTime())
        let run = SourceRun(hold: hold(), batch: 10, activity: activity, isStopping: { false }) { chunk in
            chunks.withLock { $0.append(chunk) }
        }

        await #expect(throws: Broken.self) { try await body(run) }

        #expect(chunks.withLock { $0.map(\.cursor) } == ["1"])
        #expect(chunks.withLock { $0.map(\.isLast) } == [false])
    }
}

@Suite("A feed")
struct FeedTests {
    @Test("hands over what is there when it is flushed, full or not")
    func flush() async {
        let feed = Feed<Int>(limit: 10)
        _ = await feed.put(1)
        feed.flush()

        let taken = await feed.take()

        #expect(taken.values == [1])
        #expect(!taken.isEnd)
    }

    @Test("holds the putter back while it is full")
    func bounded() async {
        let feed = Feed<Int>(limit: 3)
        async let putting: Void = {
            for number in 1...10 { _ = await feed.put(number) }
            feed.end(nil)
        }()
        var all: [Int] = []
        while true {
            let taken = await feed.take()
            #expect(taken.values.count <= 3)
            all += taken.values
            if taken.isEnd { break }
        }
        await putting

        #expect(all == Array(1...10))
    }

    @Test("has both sides give up when it is stopped")
    func stop() async {
        let feed = Feed<Int>(limit: 1)
        async let isWanted = feed.put(1)
        feed.stop()

        #expect(await feed.take().isStopped)
        #expect(await !isWanted)
    }
}

@Suite("FNV-1a")
struct FNV1aTests {
    @Test(
        "has the published values",
        arguments: [("", "cbf29ce484222325"), ("a", "af63dc4c8601ec8c"), ("foobar", "85944171f73967e8")])
    func vectors(_ text: String, _ expected: String) {
        var hash = FNV1a()
        hash.add(text.utf8)

        #expect(hash.text == expected)
    }
}

@Suite("The hash of a source's elements")
struct ElementHashTests {
    private func hash(_ elements: String...) -> String {
        var hash = ElementHash()
        for var element in elements { element.withUTF8 { hash.add(UnsafeRawBufferPointer($0)) } }
        return hash.text
    }

    @Test("is the same in every run and on every machine, as it is saved")
    func isStable() {
        #expect(hash() == "cbf29ce484222325")
        #expect(hash("a") == "6882f66a391409d9")
        #expect(hash("twelve bytes") == "84c2ffa522a12a8c")
    }

    @Test("tells order, where an element ends, and a change of any byte")
    func tells() {
        let text = "a line that is longer than a word or two of eight bytes"
        #expect(hash("a", "b") != hash("b", "a"))
        #expect(hash("ab", "c") != hash("a", "bc"))
        #expect(hash("a", "") != hash("a"))
        #expect(hash("a") != hash("a\0"))
        let changed = text.indices.map { hash(text.replacingCharacters(at: $0, with: "#")) }
        #expect(Set(changed + [hash(text)]).count == text.count + 1)
    }
}

extension String {
    fileprivate func replacingCharacters(at index: Index, with character: Character) -> String {
        var characters = Array(self)
        characters[distance(from: startIndex, to: index)] = character
        return String(characters)
    }
}
