import ArgumentParser
import Foundation
import Leat
import LeatSQLite

/// One of several processes that write at the same time, one item a transaction: how many it gets through, and how long it
/// waits at most.
struct Contend: AsyncParsableCommand {
    enum Role: String, ExpressibleByArgument { case put, take }

    @Argument var database: String
    @Argument var role: Role
    @Option var seconds = 5.0
    @Option var synchronous = "full"

    func run() async throws {
        let store = try await SQLiteStore.open(database)
        let policy = QueuePolicy(durability: synchronous == "full" ? .powerCut : .processCrash)
        let queue: Queue<String> = try await store.queue("contended", policy: policy)
        var longest = Duration.zero
        var count = 0
        // All begin at the same time, and are counted for as long as all are there.
        let period = Date().timeIntervalSince1970
        let start = (period / 2).rounded(.up) * 2 + 2
        try await Task.sleep(for: .seconds(start - period))
        let end = ContinuousClock.now + .seconds(seconds)
        var last = ContinuousClock.now
        func note() {
            let now = ContinuousClock.now
            longest = max(longest, now - last)
            last = now
        }
        while ContinuousClock.now < end {
            switch role {
            case .put:
                try await queue.put(Workload.payload)
                note()
                count += 1
            case .take:
                guard case .granted(let batch) = try await queue.claim(for: .seconds(30)) else {
                    note()
                    continue
                }
                note()
                try await batch.acknowledge()
                note()
                count += 1
            }
        }
        try await queue.handBack()
        print("\(role.rawValue) count \(count) longest \(String(format: "%.6f", longest.inSeconds))")
    }
}

extension Duration {
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
