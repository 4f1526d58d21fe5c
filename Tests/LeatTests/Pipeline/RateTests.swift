import LeatTesting
import Testing

@testable import Leat

@Suite("A rate")
struct RateTests {
    @Test(
        "lets through what it says over a minute, whatever the moments at which it is asked",
        arguments: 0..<50 as Range<UInt64>)
    func holds(seed: UInt64) {
        var chance = SeededGenerator(seed: seed)
        let rate = Rate(
            Int.random(in: 1...500, using: &chance), per: .milliseconds(Int.random(in: 100...2000, using: &chance)),
            burst: Bool.random(using: &chance) ? Int.random(in: 1...20, using: &chance) : nil)
        var account: RateAccount?
        var instant: Int64 = 1_000_000
        let end = instant + 60_000_000_000
        var begun = 0
        while true {
            let (items, wait) = rate.allowance(account, at: instant, boot: "b")
            if items > 0 {
                let taken = Int.random(in: 1...items, using: &chance)
                begun += taken
                account = rate.spending(taken, account, at: instant, boot: "b")
            } else {
                // Somebody comes a little late, as waits are.
                instant += wait.nanoseconds + Int64.random(in: 0...100_000, using: &chance)
                #expect(rate.allowance(account, at: instant, boot: "b").items >= 1)
            }
            if instant >= end { break }
        }

        let due = 60 / rate.period.seconds * Double(rate.items)
        #expect(Double(begun) <= due + Double(rate.burst) + 1)
        if rate.burst > 1 { #expect(Double(begun) >= due * 0.98) }
    }

    @Test("does not pay for what a slower one has spent")
    func faster() {
        let slow = Rate(1, per: .seconds(3600)).spending(1, nil, at: 0, boot: "b")
        let (items, wait) = Rate(50, per: .seconds(1)).allowance(slow, at: 0, boot: "b")
        #expect(items >= 1 || wait <= .milliseconds(100))
    }

    @Test("begins a tenth of a second's items at once, and one at least")
    func burst() {
        #expect(Rate(50, per: .seconds(1)).burst == 5)
        #expect(Rate(3, per: .seconds(60)).burst == 1)
        #expect(Rate(3, per: .seconds(60), burst: 9).burst == 9)
    }
}
