import BenchValues
import Foundation
import Leat
import LeatCLI

/// Three stages as three processes that do nothing but pass items on: what the queue itself costs.
///
/// `Tests/Benchmarks/throughput.sh` runs it and prints the figures. With `LEAT_BENCH_WAIT` it is one worker that waits
/// for others, eight items at once, each for a time of its own around so many milliseconds: `waiting.sh`.
@main
struct ThroughputBenchmark: PipelineProgram {
    static var pipeline: Pipeline {
        get throws {
            let environment = ProcessInfo.processInfo.environment
            let count = environment["LEAT_BENCH_ITEMS"].flatMap { Int($0) } ?? 300_000
            let batch = environment["LEAT_BENCH_BATCH"].flatMap { Int($0) } ?? 500
            let durability = environment["LEAT_BENCH_SYNCHRONOUS"] == "normal" ? Durability.processCrash : .powerCut
            return try Pipeline("throughput") {
                if let wait = environment["LEAT_BENCH_WAIT"].flatMap({ Double($0) }) {
                    Producer("put", to: "raw", repeating: { 0..<count })
                    Consumer("take", from: "raw") { (number: Int) in
                        try await Task.sleep(for: .milliseconds(wait * waitingShare(number)))
                    }.concurrency(8)
                } else if environment["LEAT_BENCH_PAYLOAD"] == "own" {
                    Producer("put", to: "raw", repeating: { (0..<count).lazy.map { OwnRecord(Record($0)) } })
                        .batch(batch).durability(durability)
                    Transformer("pass", from: "raw", to: "cooked") { (record: OwnRecord) in record }.batch(batch)
                        .durability(durability)
                    Consumer("take", from: "cooked") { (_: OwnRecord) in }.batch(batch)
                        .durability(durability)
                } else if environment["LEAT_BENCH_PAYLOAD"] == "json" {
                    Producer("put", to: "raw", repeating: { (0..<count).lazy.map(Record.init) }).batch(batch)
                        .durability(
                            durability)
                    Transformer("pass", from: "raw", to: "cooked") { (record: Record) in record }.batch(batch)
                        .durability(durability)
                    Consumer("take", from: "cooked") { (_: Record) in }.batch(batch)
                        .durability(durability)
                } else {
                    let text = String(repeating: "x", count: 200)
                    Producer("put", to: "raw", repeating: { (0..<count).lazy.map { _ in text } }).batch(batch)
                        .durability(durability)
                    Transformer("pass", from: "raw", to: "cooked") { (text: String) in text }.batch(batch)
                        .durability(durability)
                    Consumer("take", from: "cooked") { (_: String) in }.batch(batch)
                        .durability(durability)
                }
            }
        }
    }

    /// Exponentially distributed around 1, and the same in every run.
    static func waitingShare(_ number: Int) -> Double {
        var hash = UInt64(truncatingIfNeeded: number &+ 1) &* 0x9E37_79B9_7F4A_7C15
        hash = (hash ^ (hash >> 31)) &* 0xBF58_476D_1CE4_E5B9
        return -log(Double(hash >> 11 | 1) / Double(1 << 53 as UInt64))
    }
}
