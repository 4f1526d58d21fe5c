import Leat
import LeatSupervisor
import Testing

@Suite("chaos")
struct ChaosTests {
    private let slots = (1...5).map { Slot("square", $0) }

    @Test("is read as it is written, and written as it is read")
    func reads() throws {
        #expect(try Chaos("kill=2%,seed=17").description == "kill=2%,seed=17")
        #expect(try Chaos("seed=17,kill=0.5%").description == "kill=0.5%,seed=17")
        #expect(try Chaos("kill=50%", anySeed: 4).description == "kill=50%,seed=4")
    }

    @Test(
        "refuses what says nothing, too much, or something else",
        arguments: [
            "", "kill", "kill=", "kill=2", "kill=0%", "kill=51%", "kill=-1%", "kill=nan%", "kill=inf%", "seed=3",
            "kill=2%,kill=3%", "kill=2%,seed=", "kill=2%,seed=-1", "kill=2%,seed=1,seed=1", "kill=2%,stop=3%",
            "kill=2%,",
        ])
    func refuses(text: String) {
        let error = #expect(throws: LeatError.self) { try Chaos(text) }

        #expect(error?.code == .refused && error?.message.contains("write kill=2%") == true)
    }

    @Test("strikes the same again when its seed is given again")
    func repeats() throws {
        func strikes(_ text: String) throws -> [[Slot]] {
            var chaos = try Chaos(text)
            return (1...50).map { _ in chaos.victims(among: slots) }
        }

        #expect(try strikes("kill=20%,seed=1") == strikes("kill=20%,seed=1"))
        #expect(try strikes("kill=20%,seed=1") != strikes("kill=20%,seed=2"))
    }

    @Test("strikes each of those who are there as often as it says, in whatever order they are told")
    func share() throws {
        var chaos = try Chaos("kill=10%,seed=3")
        var reversed = chaos
        var counts: [Slot: Int] = [:]

        for _ in 1...10_000 {
            let victims = chaos.victims(among: slots)
            #expect(victims == reversed.victims(among: slots.reversed()))
            for slot in victims { counts[slot, default: 0] += 1 }
        }

        for slot in slots { #expect((850...1150).contains(counts[slot] ?? 0)) }
        #expect(chaos.victims(among: []) == [])
    }
}
