internal import Leat

/// The pipeline that a case runs on.
struct Layout: Sendable {
    let stages: [StageSpec]

    init(_ stages: [StageSpec]) { self.stages = stages }

    func plan() throws -> Plan { try Plan(pipeline: "conformance", stages: stages) }

    /// `source` → raw → `work` → made → `last`.
    static func line(_ policy: StagePolicy = .plain, shards: [ShardName] = []) -> Layout {
        Layout([
            StageSpec("source", kind: .producer, outputs: ["raw"], shards: shards, policy: policy),
            StageSpec("work", kind: .transformer, input: "raw", outputs: ["made"], policy: policy),
            StageSpec("last", kind: .consumer, input: "made", policy: .plain),
        ])
    }

    /// `source` → raw → `work` → made → `more` → end → `last`.
    static func long(_ policy: StagePolicy = .plain) -> Layout {
        Layout([
            StageSpec("source", kind: .producer, outputs: ["raw"]),
            StageSpec("work", kind: .transformer, input: "raw", outputs: ["made"], policy: policy),
            StageSpec("more", kind: .transformer, input: "made", outputs: ["end"], policy: .plain),
            StageSpec("last", kind: .consumer, input: "end", policy: .plain),
        ])
    }

    /// Two producers, one of two shards, into raw → `work` → made → `last`.
    static let fanIn = Layout([
        StageSpec("source", kind: .producer, outputs: ["raw"], shards: ["a", "b"]),
        StageSpec("other", kind: .producer, outputs: ["raw"]),
        StageSpec("work", kind: .transformer, input: "raw", outputs: ["made"], policy: .plain),
        StageSpec("last", kind: .consumer, input: "made", policy: .plain),
    ])

    /// `source` → raw → `work` ⇄ made/again ⇄ `back`, with `last` at the end.
    static let cycle = Layout([
        StageSpec("source", kind: .producer, outputs: ["raw"]),
        StageSpec("work", kind: .transformer, input: "raw", outputs: ["made"], policy: .plain),
        StageSpec("back", kind: .transformer, input: "made", outputs: ["raw", "end"], policy: .plain),
        StageSpec("last", kind: .consumer, input: "end", policy: .plain),
    ])

    /// `source` → raw → `work` → made → `total`, which takes all; `notify` comes after it.
    static func ending(_ policy: StagePolicy = .plain) -> Layout {
        Layout([
            StageSpec("source", kind: .producer, outputs: ["raw"]),
            StageSpec("work", kind: .transformer, input: "raw", outputs: ["made"], policy: policy),
            StageSpec("total", kind: .consumer, input: "made", takesAll: true, policy: policy),
            StageSpec("notify", kind: .consumer, after: ["total"], policy: policy),
        ])
    }

    /// `source` and `other` → raw → `work`; `notify` comes after `source`, which may end before its queue closes.
    static func behind(_ shards: [ShardName]) -> Layout {
        Layout([
            StageSpec("source", kind: .producer, outputs: ["raw"], shards: shards),
            StageSpec("other", kind: .producer, outputs: ["raw"]),
            StageSpec("work", kind: .consumer, input: "raw", policy: .plain),
            StageSpec("notify", kind: .consumer, after: ["source"], policy: .plain),
        ])
    }

    /// `source` → raw → `work` → made → `sort`, which takes all, → end → `last`.
    static let sorting = Layout([
        StageSpec("source", kind: .producer, outputs: ["raw"]),
        StageSpec("work", kind: .transformer, input: "raw", outputs: ["made"], policy: .plain),
        StageSpec("sort", kind: .transformer, input: "made", outputs: ["end"], takesAll: true, policy: .plain),
        StageSpec("last", kind: .consumer, input: "end", policy: .plain),
    ])
}

extension StagePolicy {
    /// Three attempts a second apart, then two; no chance, no breaker.
    static let plain = StagePolicy(
        retry: RetryPolicy(attempts: 3, base: .seconds(1), jitter: 0), breaker: .off
    )

    static func strict(
        attempts: Int = 1, maxDead: Tolerance = .any, breaker: Breaker = .off, crashes: Int = 5, kills: Int = 10
    ) -> StagePolicy {
        StagePolicy(
            retry: RetryPolicy(attempts: attempts, base: .zero, jitter: 0, kills: kills),
            maxDead: maxDead,
            breaker: breaker,
            crashes: crashes
        )
    }
}
