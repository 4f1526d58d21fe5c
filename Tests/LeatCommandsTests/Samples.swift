import Foundation
import Leat
import Testing

@testable import LeatCommands

/// Pipeline files for tests.
enum Samples {
    /// A file with a value for every key that a shape has.
    static let everything = """
        name: words
        description: Counts "words" <of> a day.
        params:
          day: 2026-11-23
          source:
          code: 007
        queues:
          lines: {description: "A line each", capacity: 1000, keep: failed}
          words:
            order: {group: word}
          counts: {order: loose}
          totals: {}
        stages:
          read:
            description: Reads
            produce: [cat, in.txt, 1.50, yes, ""]
            to: lines
            cursor: line
            shards: [a, b]
            workers: 2
            batch: 500
            timeout: 250ms
            env:
              LANG: C.UTF-8
              TOKEN:
            durability: process-crash
          split:
            transform: {shell: "tr ' ' '\\n'"}
            from: lines
            to: {route: [words, lines]}
            mode: item
            concurrency: 4
            outputs: as_finished
            rate: {items: 50, per: 1m, burst: 7}
            retry: {attempts: 5, base: 1s, cap: 5m, jitter: 25%, kills: 3}
            limits: {memory: 512MiB, output: 1KB}
            cwd: .
          count:
            transform: [count]
            from: words
            to: [counts, totals]
            mode: batch
            cardinality: one
            rate: 100/m
            retry: 1
            max_dead: 5%
            keep: 7d
            capacity: 10
          answer:
            consume: [answer]
            from: counts
            mode: stream
            echo: id
            max_dead: 3
          total:
            consume: [sort]
            from: totals
            when: closed
            keep: all
          report:
            consume: [report]
            after: [total, answer]

        """

    static let small = """
        stages:
          make:
            produce: [seq, "10"]
            to: numbers
          use:
            consume: [cat]
            from: numbers

        """

    static func read(_ text: String, name: String = "words.yaml", folder: String = "/tmp") throws -> PipelineFile {
        try PipelineFile.parse(Array(text.utf8), calling: name, path: "\(folder)/\(name)", folder: folder)
    }

    /// What the reader says of a text that it refuses.
    static func refusal(_ text: String) throws -> String {
        let error = try #require(throws: LeatError.self) { try read(text) }
        #expect(error.code == .invalidPipeline)
        return error.message
    }

    /// The small file with other lines for its first stage.
    static func producer(_ lines: String) -> String {
        small.replacing("    produce: [seq, \"10\"]\n    to: numbers\n", with: indented(lines))
    }

    /// The small file with other lines for its last stage.
    static func consumer(_ lines: String) -> String {
        small.replacing("    consume: [cat]\n    from: numbers\n", with: indented(lines))
    }

    private static func indented(_ lines: String) -> String {
        lines.split(separator: "\n").map { "    \($0)\n" }.joined()
    }
}

/// A seed replays what it led to (SplitMix64).
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
