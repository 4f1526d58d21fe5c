import Foundation
import Leat
import LeatCLI

/// Three stages as three processes that do nothing but pass items on: what the queue itself costs.
///
/// `Tests/Benchmarks/throughput.sh` runs it and prints the figures.
@main
struct ThroughputBenchmark: PipelineProgram {
    /// About 200 bytes as JSON.
    struct Record: Codable, Sendable {
        var id: Int
        var name: String
        var places: [String]
        var amount: Double
        var note: String
    }

    static var pipeline: Pipeline {
        get throws {
            let environment = ProcessInfo.processInfo.environment
            let count = environment["LEAT_BENCH_ITEMS"].flatMap { Int($0) } ?? 300_000
            let batch = environment["LEAT_BENCH_BATCH"].flatMap { Int($0) } ?? 500
            return try Pipeline("throughput") {
                if environment["LEAT_BENCH_PAYLOAD"] == "json" {
                    Producer("put", to: "raw", repeating: { (0..<count).lazy.map(record) }).batch(batch)
                    Transformer("pass", from: "raw", to: "cooked") { (record: Record) in record }.batch(batch)
                    Consumer("take", from: "cooked") { (_: Record) in }.batch(batch)
                } else {
                    let text = String(repeating: "x", count: 200)
                    Producer("put", to: "raw", repeating: { (0..<count).lazy.map { _ in text } }).batch(batch)
                    Transformer("pass", from: "raw", to: "cooked") { (text: String) in text }.batch(batch)
                    Consumer("take", from: "cooked") { (_: String) in }.batch(batch)
                }
            }
        }
    }

    static func record(_ number: Int) -> Record {
        Record(
            id: number, name: "item number \(number)", places: ["EWR", "JFK", "LGA"], amount: Double(number) / 8,
            note: "a note that is long enough to bring the whole record to about two hundred bytes of text, no more")
    }
}
