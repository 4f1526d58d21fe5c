internal import Leat
internal import Yams

// The forms of a stage's rules. Where a number alone says most of it, a mapping says the rest.

struct RetryDraft: Draft {
    var policy = RetryPolicy()
    var lines: [String: Int] = [:]

    static let shape = Shape<RetryDraft>(
        Key("attempts", "How many times an item may be to blame before it is a dead letter.", attempts, standard: "3") {
            $0.policy.attempts = $1
        },
        Key(
            "base", "How long it waits after its first failure; twice as long after each further one.",
            .duration(allowsZero: true), standard: "500ms"
        ) { $0.policy.base = $1 },
        Key("cap", "How long it waits at most.", .duration(allowsZero: true), standard: "60s", synonyms: ["max"]) {
            $0.policy.cap = $1
        },
        Key(
            "jitter", "The share of a wait that chance may take off, so that items do not come back together.", .share,
            standard: "50%"
        ) { $0.policy.jitter = $1 },
        Key(
            "kills",
            "How many deaths by SIGKILL an item that stood alone may be part of: they can't be told from the memory killer's.",
            .whole(1...1_000_000), standard: "10"
        ) { $0.policy.kills = $1 })

    static let attempts = ValueForm<Int>.whole(1...1_000_000, "a number of attempts")
}

struct RateDraft: Draft {
    var items = 1
    var period = Duration.seconds(1)
    var burst: Int?
    var lines: [String: Int] = [:]

    static let shape = Shape<RateDraft>(
        Key("items", "How many items begin in the time.", .whole(1...1_000_000_000), isNeeded: true) { $0.items = $1 },
        Key("per", "The time.", .duration(), isNeeded: true) { $0.period = $1 },
        Key(
            "burst", "How many may begin at once, after a pause too.", .whole(1...1_000_000_000),
            standard: "what a tenth of a second allows, at least 1"
        ) { $0.burst = $1 })
}

struct LimitsDraft: Draft {
    var memory: Int64?
    var output: Int64?
    var lines: [String: Int] = [:]

    static let shape = Shape<LimitsDraft>(
        Key("memory", "The address space that each process may have.", .size, standard: "no limit") { $0.memory = $1 },
        Key(
            "output",
            "What one answer may have: all that one process writes in modes item and batch, a line in the others. More is a failed attempt.",
            .size, standard: "64MiB"
        ) { $0.output = $1 })
}

/// In which order the items of a queue are worked on.
enum OrderValue: Sendable, Hashable {
    case loose
    case group(String)
}

private struct GroupDraft: Draft {
    var field = ""
    var lines: [String: Int] = [:]

    static let shape = Shape<GroupDraft>(
        Key(
            "group",
            "A field of an item's JSON object: of the items with one value in it, one is worked on at a time, in the order of putting.",
            .text("the name of a field of the items' JSON", allowsEmpty: false), isNeeded: true
        ) { $0.field = $1 })
}

extension ValueForm where Value == RetryPolicy {
    static var retry: ValueForm {
        let mapping = ValueForm<RetryDraft>.shape(
            RetryDraft.shape, from: RetryDraft(), "a mapping with attempts, base, cap …")
        let checked = ValueForm(words: mapping.words, schema: mapping.schema, keys: mapping.keys) {
            node, spot, reading in
            let draft = try mapping.read(node, spot, reading)
            guard draft.policy.base <= draft.policy.cap || draft.lines["base"] == nil else {
                throw reading.error(
                    at: draft.lines["base"] ?? spot.line,
                    "'base' of \(spot.subject) is \(Measure.text(of: draft.policy.base)), but no wait is longer than 'cap', \(Measure.text(of: draft.policy.cap)); raise 'cap'."
                )
            }
            return draft.policy
        }
        return .either(scalar: RetryDraft.attempts.map { RetryPolicy(attempts: $0) }, mapping: checked)
    }
}

extension ValueForm where Value == Rate {
    static var rate: ValueForm {
        let word = ValueForm.word("a rate such as 50/s, 100/m or 10/h", pattern: "[1-9][0-9]{0,8}/(s|m|h)") { text in
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 2, let items = Measure.digits(parts[0]), (1...999_999_999).contains(items),
                ["s", "m", "h"].contains(parts[1]), let period = Measure.duration("1\(parts[1])")
            else { return nil }
            return Rate(items, per: period)
        }
        let mapping = ValueForm<RateDraft>.shape(
            RateDraft.shape, from: RateDraft(), "a mapping with items, per and burst"
        )
        .map { Rate($0.items, per: $0.period, burst: $0.burst) }
        return .either(scalar: word, mapping: mapping)
    }
}

extension ValueForm where Value == LimitsDraft {
    static var limits: ValueForm { .shape(LimitsDraft.shape, from: LimitsDraft(), "a mapping with memory and output") }
}

extension ValueForm where Value == Int64 {
    static var size: ValueForm {
        .word(
            "a size such as 64MiB; units are B, KB, KiB, MB, MiB, GB and GiB",
            pattern: "[1-9][0-9]{0,15}(B|KB|KiB|MB|MiB|GB|GiB)",
            hint: { Measure.digits($0[...]) == nil ? "" : "it has no unit: write \($0)MiB, or \($0)B for bytes" },
            parse: Measure.bytes)
    }
}

extension ValueForm where Value == Double {
    static var share: ValueForm {
        let words = "a share from 0 to 1, or from 0% to 100%"
        let schema = JSONValue.object([
            "anyOf": [
                .object(["type": "number", "minimum": 0, "maximum": 1]),
                .object(["type": "string", "pattern": percent]),
            ]
        ])
        return ValueForm(words: words, schema: schema) { node, spot, reading in
            guard case .scalar(let scalar) = node, !node.isNothing,
                let share = Measure.percentage(scalar.string).map({ $0 / 100 })
                    ?? (node.isPlain ? Measure.decimal(scalar.string[...]) : nil),
                share <= 1
            else { throw reading.mismatch(node, spot, words) }
            return share
        }
    }
}

extension ValueForm where Value == Tolerance {
    static var tolerance: ValueForm {
        let words = "a number of items, a share such as 5%, or any"
        let schema = JSONValue.object([
            "anyOf": [
                .object(["type": "integer", "minimum": 0, "maximum": 1_000_000_000]),
                .object(["type": "string", "pattern": percent]), .object(["const": "any"]),
            ]
        ])
        return ValueForm(words: words, schema: schema) { node, spot, reading in
            guard case .scalar(let scalar) = node, !node.isNothing else { throw reading.mismatch(node, spot, words) }
            if scalar.string == "any" { return .any }
            if let share = Measure.percentage(scalar.string) { return .percent(share) }
            guard node.isPlain, let count = Measure.digits(scalar.string[...]), count <= 1_000_000_000 else {
                throw reading.mismatch(node, spot, words)
            }
            return .atMost(count)
        }
    }
}

extension ValueForm where Value == Keep {
    static var keep: ValueForm {
        .word("all, failed, or an age such as 7d", pattern: "(all|failed|[1-9][0-9]{0,15}(ms|s|m|h|d))") { text in
            switch text {
            case "all": Keep.all
            case "failed": Keep.failed
            default: Measure.duration(text).flatMap { $0 > .zero ? Keep.recent($0) : nil }
            }
        }
    }
}

extension ValueForm where Value == OrderValue {
    static var order: ValueForm {
        .either(
            scalar: .word("loose", pattern: "loose") { $0 == "loose" ? .loose : nil },
            mapping: ValueForm<GroupDraft>.shape(GroupDraft.shape, from: GroupDraft(), "{group: FIELD}")
                .map { .group($0.field) })
    }
}

private let percent = JSONValue.string("^(100(\\.0+)?|[0-9]{1,2}(\\.[0-9]+)?)%$")
