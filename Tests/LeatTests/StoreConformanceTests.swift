import Leat
import LeatTesting
import Testing

@Suite("The in-memory store")
struct StoreConformanceTests {
    @Test(arguments: StoreConformance.cases)
    func conforms(_ demand: StoreConformance.Case) async throws {
        try await demand.run { time in MemoryStore(time: time) }
    }

    @Test("every demand on a store is a sentence of its own")
    func names() {
        let names = StoreConformance.cases.map(\.name)

        #expect(Set(names).count == names.count)
    }
}
