internal import Leat
internal import Yams

// The forms of what a stage runs and of where its items come from and go to.

private struct ShellDraft: Draft {
    var text = ""
    var lines: [String: Int] = [:]

    static let shape = Shape<ShellDraft>(
        Key(
            "shell",
            "A line for `/bin/sh -c`. No data of an item and no parameter is ever put into it: they come on standard input and as variables.",
            .text("a line for /bin/sh", allowsEmpty: false), isNeeded: true
        ) { $0.text = $1 })
}

private struct RouteDraft: Draft {
    var queues: [QueueName] = []
    var lines: [String: Int] = [:]

    static let shape = Shape<RouteDraft>(
        Key(
            "route",
            "The queues that a line of output may name: each line is a JSON object such as `{\"queue\":\"q\",\"body\":…}`, which may also have `key`, `group`, `delay` (seconds) and `priority`.",
            .queues, isNeeded: true
        ) { $0.queues = $1 })
}

extension ValueForm where Value == [QueueName] {
    static var queues: ValueForm { .distinct(.list(.name, "a list of queues")) }
}

extension ValueForm where Value == StageCommand {
    static var command: ValueForm {
        let words = "an argument array such as [wc, -l]"
        let list = ValueForm<[String]>.list(.text("an argument"), words)
        let arguments = ValueForm(words: words, schema: list.schema) { node, spot, reading in
            let arguments = try list.read(node, spot, reading)
            guard arguments[0] != "" else {
                throw reading.error(
                    at: spot.line(of: node), "\(spot.subject) begins with an empty argument; it must name a program.")
            }
            return StageCommand.arguments(arguments)
        }
        return .either(
            list: arguments,
            mapping: ValueForm<ShellDraft>.shape(ShellDraft.shape, from: ShellDraft(), "{shell: STRING}")
                .map { .shell($0.text) },
            hint: "no shell looks at a command unless 'shell' is written")
    }
}

extension ValueForm where Value == StageOutputs {
    static var outputs: ValueForm {
        .either(
            scalar: ValueForm<QueueName>.word(
                "a queue", pattern: "[a-z][a-z0-9_]{0,62}", parse: QueueName.init(rawValue:)
            )
            .map { .all([$0]) },
            list: ValueForm<[QueueName]>.queues.map { .all($0) },
            mapping: ValueForm<RouteDraft>.shape(RouteDraft.shape, from: RouteDraft(), "{route: [QUEUE, …]}")
                .map { .route($0.queues) })
    }
}

extension ValueForm where Value == [StageName] {
    static var stages: ValueForm {
        .either(
            scalar: ValueForm<StageName>.word(
                "a stage", pattern: "[a-z][a-z0-9_]{0,62}", parse: StageName.init(rawValue:)
            )
            .map { [$0] },
            list: .distinct(.list(.name, "a list of stages")))
    }
}

extension ValueForm where Value == [ShardName] {
    static var shards: ValueForm {
        let list = ValueForm<[String]>.list(.text("a shard's name", allowsEmpty: false), "a list of names")
        return ValueForm<[String]>.distinct(list).map { $0.map { ShardName(rawValue: $0) } }
    }
}

extension ValueForm where Value == [Named<VariableValue>] {
    static var environment: ValueForm {
        let names = ValueForm<String>.word(
            "a variable's name, which is made of letters, digits and underscores, does not begin with a digit, and not with LEAT_",
            pattern: "(?!LEAT_)[A-Za-z_][A-Za-z0-9_]*"
        ) { isVariableName($0) && !$0.hasPrefix("LEAT_") ? $0 : nil }
        let value = ValueForm<String?>.optional(.text(), "text, or nothing")
            .map { $0.map(VariableValue.text) ?? .inherited }
        return .named("a mapping from variables to their values", names: names, value) { name, spot in
            spot.key(name, spot.line).subject
        }
    }
}

/// A word of one key: `when: closed`, `ordered: trust`.
enum WhenValue: String, CaseIterable, Sendable { case closed }
enum OrderedValue: String, CaseIterable, Sendable { case trust }

extension OutputOrder {
    fileprivate init(_ word: OutputOrderWord) {
        switch word {
        case .taken: self = .asTaken
        case .finished: self = .asFinished
        }
    }
}

private enum OutputOrderWord: String, CaseIterable, Sendable {
    case taken = "as_taken"
    case finished = "as_finished"
}

extension ValueForm where Value == OutputOrder {
    static var outputOrder: ValueForm { ValueForm<OutputOrderWord>.choice.map { OutputOrder($0) } }
}

/// Letters, digits and underscores of ASCII, no digit first: what POSIX lets a variable be called.
func isVariableName(_ name: String) -> Bool {
    let bytes = name.utf8
    guard let first = bytes.first, !(48...57).contains(first) else { return false }
    return bytes.allSatisfy {
        (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95
    }
}
