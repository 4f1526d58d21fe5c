import Foundation
import Leat
import LeatCLI

/// A fast stage before a slow one with a bounded queue between them, or a stage at a rate: `Tests/Benchmarks/bounded.sh`.
@main
struct BoundedBenchmark: PipelineProgram {
    static var pipeline: Pipeline {
        get throws {
            let environment = ProcessInfo.processInfo.environment
            let count = environment["LEAT_BENCH_ITEMS"].flatMap { Int($0) } ?? 1_000_000
            let text = String(repeating: "x", count: 200)
            return try Pipeline("bounded") {
                Producer("fast", to: "raw", repeating: { (0..<count).lazy.map { _ in text } }).batch(100)
                if let rate = environment["LEAT_BENCH_RATE"].flatMap({ Int($0) }) {
                    Consumer("slow", from: "raw") { (_: String) in }.workers(4).rate(Rate(rate, per: .seconds(1)))
                } else {
                    // Held up by a fifth of a millisecond each.
                    Consumer("slow", from: "raw") { (_: String) in usleep(200) }.capacity(100).keep(.failed)
                }
            }
        }
    }
}
