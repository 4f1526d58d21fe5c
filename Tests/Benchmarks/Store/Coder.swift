import ArgumentParser
import BenchValues
import Foundation
import Leat

/// What it takes to make a payload of a value, and a value of a payload, without any queue: nanoseconds a value.
struct Coder: AsyncParsableCommand {
    @Option var values = 200_000

    func run() async throws {
        let records = (0..<1000).map(Record.init)
        try measure("text", (0..<1000).map { String(repeating: "x", count: 190) + "\($0)" })
        try measure("bytes", (0..<1000).map { Array((String(repeating: "x", count: 190) + "\($0)").utf8) })
        try measure("json", records)
        try measure("own", records.map(OwnRecord.init))
    }

    private func measure<Value: Codable & Sendable>(_ name: String, _ samples: [Value]) throws {
        let coder = PayloadCoder<Value>()
        var payloads: [Payload] = []
        let begin = ContinuousClock.now
        for _ in 0..<(values / samples.count) { payloads = try samples.map(coder.encode) }
        let encoded = ContinuousClock.now
        var decoded: [Value] = []
        for _ in 0..<(values / samples.count) { decoded = try payloads.map(coder.decode) }
        let end = ContinuousClock.now
        guard decoded.count == samples.count else { throw ValidationError("values were lost") }
        let each = { (duration: Duration) in String(format: "%.1f", duration.inSeconds * 1e9 / Double(values)) }
        print(name, "encode", each(encoded - begin), "decode", each(end - encoded))
    }
}
