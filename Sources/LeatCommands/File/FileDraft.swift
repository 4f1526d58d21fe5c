internal import Leat

/// A pipeline file as its keys say it.
struct FileDraft: Draft {
    var name: String?
    var description: String?
    var parameters: [Named<String?>] = []
    var stages: [Named<StageDraft>] = []
    var queues: [Named<QueueDraft>] = []
    var lines: [String: Int] = [:]

    static let shape = Shape<FileDraft>(
        Key(
            "name", "The pipeline's name, which is also that of its database.",
            .word(
                "a pipeline's name: a letter, then at most 62 letters, digits, underscores or hyphens",
                pattern: "[A-Za-z][A-Za-z0-9_-]{0,62}"
            ) { Pipeline.isName($0) ? $0 : nil },
            standard: "the file's name without its suffix"
        ) { $0.name = $1 },
        Key("description", "What the pipeline is for, in a sentence for people.", .text()) { $0.description = $1 },
        Key(
            "params",
            "The parameters of a run with their defaults; one without a value must be given. A command finds `day` in the variable DAY.",
            .parameters, synonyms: ["parameters", "args", "vars"]
        ) { $0.parameters = $1 },
        Key(
            "stages", "The stages by their names, in any order.",
            .named(
                "a mapping from names to stages", names: .identifier("a stage's name"),
                ValueForm<StageDraft>.shape(StageDraft.shape, from: StageDraft(), "a stage")
            ) { name, _ in "stage '\(printable(name))'" },
            isNeeded: true, synonyms: ["steps", "tasks", "jobs"]
        ) { $0.stages = $1 },
        Key(
            "queues",
            "What holds for queues, instead of at the stage that takes from each. If it is there, it names every queue.",
            .named(
                "a mapping from names to queues", names: .identifier("a queue's name"),
                ValueForm<QueueDraft>.shape(
                    QueueDraft.shape, from: QueueDraft(), "a mapping with description, capacity …")
            ) { name, _ in "queue '\(printable(name))'" }
        ) { $0.queues = $1 })
}

/// What a file says of a queue apart from its stages.
struct QueueDraft: Draft {
    var description: String?
    var capacity: Int?
    var keep: Keep?
    var order: OrderValue?
    var lines: [String: Int] = [:]

    static let shape = Shape<QueueDraft>(
        Key("description", "What the queue's items are, in a sentence for people.", .text()) { $0.description = $1 },
        Key(
            "capacity", "How many unsettled items it may hold before those that feed it wait.",
            .whole(1...1_000_000_000), standard: "no limit"
        ) { $0.capacity = $1 },
        Key("keep", "What becomes of its items once they are done.", .keep, standard: "all") { $0.keep = $1 },
        Key("order", "Whether the order of its items matters: loose, or by group.", .order, standard: "loose") {
            $0.order = $1
        })
}

extension ValueForm where Value == String {
    /// What may be a table's, a variable's and a file's name.
    static func identifier(_ noun: String) -> ValueForm {
        .word(
            "\(noun): a lower-case letter, then at most 62 lower-case letters, digits or underscores",
            pattern: "[a-z][a-z0-9_]{0,62}"
        ) { QueueName(rawValue: $0)?.rawValue }
    }
}

extension ValueForm where Value == [Named<String?>] {
    static var parameters: ValueForm {
        .named(
            "a mapping from parameters to their defaults", names: .identifier("a parameter's name"),
            .optional(.text(), "text, or nothing")
        ) { name, _ in "parameter '\(printable(name))'" }
    }
}
