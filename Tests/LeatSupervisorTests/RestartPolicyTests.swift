import LeatSupervisor
import Testing

@Suite("the pause before a worker's place is filled again")
struct RestartPolicyTests {
    @Test("doubles from 50 ms to 5 s as long as nothing comes of the workers")
    func doubling() {
        var policy = RestartPolicy()

        let pauses = (0..<10).map { _ in policy.event(.fruitless) }

        #expect(pauses == [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000].map { .milliseconds($0) })
    }

    @Test("is none after a death that halved a batch or was charged, and begins anew")
    func charged() {
        var policy = RestartPolicy()
        for _ in 0..<5 { _ = policy.event(.fruitless) }

        #expect(policy.event(.charged) == .zero)
        #expect(policy.event(.charged) == .zero)
        #expect(policy.event(.fruitless) == RestartPolicy.base)
    }

    @Test("begins anew after progress")
    func progress() {
        var policy = RestartPolicy()
        for _ in 0..<5 { _ = policy.event(.fruitless) }

        #expect(policy.event(.progressed) == RestartPolicy.base)
        #expect(policy.event(.fruitless) == RestartPolicy.base)
        #expect(policy.event(.fruitless) == RestartPolicy.base * 2)
    }

    @Test("never is longer than the cap, whatever comes")
    func bounds() {
        // Every walk of eight events.
        for walk in 0..<6561 {
            var policy = RestartPolicy()
            var rest = walk
            for _ in 0..<8 {
                let event: RestartPolicy.Event = [.charged, .progressed, .fruitless][rest % 3]
                rest /= 3
                let pause = policy.event(event)
                #expect(pause <= RestartPolicy.cap)
                #expect((pause == .zero) == (event == .charged))
            }
        }
    }
}
