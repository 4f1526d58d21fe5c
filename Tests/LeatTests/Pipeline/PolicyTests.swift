import Leat
import Testing

@Suite("A retry policy")
struct RetryPolicyTests {
    @Test("doubles the delay with each failure, up to its cap")
    func doubles() {
        let policy = RetryPolicy(base: .milliseconds(500), cap: .seconds(3), jitter: 0)

        let delays = (1...5).map { policy.delay(afterFailure: $0, chance: 0.3) }

        #expect(delays == [.milliseconds(500), .seconds(1), .seconds(2), .seconds(3), .seconds(3)])
    }

    @Test("takes off at most its share of jitter, and never gives a negative delay")
    func jitter() {
        let policy = RetryPolicy(base: .seconds(1), cap: .seconds(100), jitter: 0.5)

        #expect(policy.delay(afterFailure: 1, chance: 0) == .seconds(1))
        #expect(policy.delay(afterFailure: 1, chance: 0.5) == .milliseconds(750))
        #expect(policy.delay(afterFailure: 1, chance: 0.999) >= .milliseconds(500))
        #expect(RetryPolicy(jitter: 1).delay(afterFailure: 1, chance: 1) == .zero)
    }

    @Test("does not overflow at any number of failures")
    func large() {
        #expect(RetryPolicy(jitter: 0).delay(afterFailure: .max, chance: 0) == .seconds(60))
    }
}

@Suite("A tolerance")
struct ToleranceTests {
    @Test("counts, or takes a share of what has settled")
    func allows() {
        #expect(Tolerance.any.allows(dead: 100, of: 100))
        #expect(Tolerance.atMost(2).allows(dead: 2, of: 3))
        #expect(!Tolerance.atMost(2).allows(dead: 3, of: 1000))
        #expect(Tolerance.percent(1).allows(dead: 10, of: 1000))
        #expect(!Tolerance.percent(1).allows(dead: 11, of: 1000))
        #expect(Tolerance.percent(0).allows(dead: 0, of: 0))
    }
}

@Suite("A breaker")
struct BreakerTests {
    private func verdict(_ steps: [(done: Int64, dead: Int64)], _ breaker: Breaker = Breaker()) -> String? {
        var counts = BreakerCounts()
        for step in steps { counts.settle(done: step.done, dead: step.dead, window: breaker.window) }
        return breaker.verdict(on: counts)
    }

    @Test("trips when the first five items all died, and not at four")
    func first() {
        #expect(verdict([(0, 4)]) == nil)
        #expect(verdict([(0, 4), (0, 1)])?.contains("5") == true)
        #expect(verdict([(1, 0), (0, 5)]) == nil)
    }

    @Test("trips when more than half of at least twenty in its window died")
    func half() {
        #expect(verdict([(9, 10)]) == nil)
        #expect(verdict([(10, 10)]) == nil)
        #expect(verdict([(9, 11)]) != nil)
    }

    @Test("forgets a window that is full")
    func window() {
        #expect(verdict([(1000, 0), (0, 15)]) == nil)
        #expect(verdict([(1000, 0), (0, 20)]) != nil)
    }

    @Test("never trips when it is off")
    func off() { #expect(verdict([(0, 1000)], .off) == nil) }
}
