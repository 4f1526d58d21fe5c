import LeatTesting
import Testing

@testable import Leat

@Suite("The size of a batch")
struct BatchSizeTests {
    @Test("grows to what the stage allows when items are fast, doubling at most")
    func grows() {
        var size = BatchSize(most: 100)
        var sizes = [size.current]
        for _ in 1...5 {
            size.worked(size.current, in: .microseconds(10) * size.current)
            sizes.append(size.current)
        }
        #expect(sizes == [8, 16, 32, 64, 100, 100])
    }

    @Test("falls at once to one when an item takes longer than the aim")
    func falls() {
        var size = BatchSize(most: 100)
        size.worked(8, in: .seconds(16))
        #expect(size.current == 1)
        size.worked(1, in: .milliseconds(10))
        #expect(size.current == 2)
    }

    @Test("is at least as many as are worked on side by side")
    func concurrency() {
        var size = BatchSize(most: 100, concurrency: 6)
        size.worked(8, in: .seconds(16))
        #expect(size.current == 6)
        #expect(BatchSize(most: 4, concurrency: 6).current == 4)
    }

    @Test("is always between one and what the stage allows", arguments: 0..<100 as Range<UInt64>)
    func bounds(seed: UInt64) {
        var chance = SeededGenerator(seed: seed)
        let most = Int.random(in: 1...1000, using: &chance)
        var size = BatchSize(most: most, concurrency: Int.random(in: 1...50, using: &chance))
        for _ in 1...100 {
            #expect((1...most).contains(size.current))
            size.worked(
                Int.random(in: 0...size.current, using: &chance),
                in: .nanoseconds(Int64.random(in: 0...3_000_000_000, using: &chance)))
        }
    }
}
