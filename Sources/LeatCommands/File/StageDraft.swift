internal import Leat

/// A stage as its keys say it, before they are held against each other.
struct StageDraft: Draft {
    var name: StageName = "stage"
    var line = 1
    var lines: [String: Int] = [:]
    var description: String?
    var command: StageCommand?
    var from: QueueName?
    var to = StageOutputs.none
    var mode: StageMode?
    var cardinality: BatchCardinality?
    var echo: String?
    var cursor: SourceCursor?
    var shards: [ShardName] = []
    var after: [StageName] = []
    var workers = 1
    var concurrency = 1
    var outputOrder = OutputOrder.asTaken
    var rate: Rate?
    var batch: Int?
    var capacity: Int?
    var retry = RetryPolicy()
    var timeout: Duration?
    var maxDead = Tolerance.any
    var order: OrderValue?
    var environment: [Named<VariableValue>] = []
    var folder: String?
    var limits = LimitsDraft()
    var durability = Durability.powerCut
    var keep: Keep?

    func has(_ key: String) -> Bool { lines[key] != nil }

    static let shape = Shape<StageDraft>(
        Key("description", "What the stage is for, in a sentence for people.", .text(), synonyms: ["doc", "comment"]) {
            $0.description = $1
        },
        Key(
            "produce", "The command of a producer: it has no input, and each line that it writes is an item.", .command,
            synonyms: ["producer", "source"]
        ) { $0.command = $1 },
        Key(
            "transform", "The command of a transformer: it is given items, and each line that it writes is a new one.",
            .command, synonyms: ["transformer", "map", "filter", "command", "run", "cmd"]
        ) { $0.command = $1 },
        Key(
            "consume", "The command of a consumer: it is given items, and puts none.", .command,
            synonyms: ["consumer", "sink"]
        ) { $0.command = $1 },
        Key(
            "from", "The queue that the stage takes from. A queue is taken from by one stage.", .name,
            synonyms: ["input", "in", "queue"]
        ) { $0.from = $1 },
        Key(
            "to",
            "Where the lines that it writes go: each into one queue, into each of several, or into the one that it names.",
            .outputs, synonyms: ["output", "out", "into"]
        ) { $0.to = $1 },
        Key(
            "mode",
            "How the command is given its items: one process an item, one a batch of lines, one that answers line by line, or one that knows the line protocol. A producer's is source.",
            .choice, standard: "item; source of a producer; batch with `when: closed`"
        ) { $0.mode = $1 },
        Key(
            "cardinality",
            "Of mode batch: one, if the command answers each line with a line in the same order, so that each answer has its own origin; any, if the batch as a whole is answered.",
            .choice, standard: "any"
        ) { $0.cardinality = $1 },
        Key(
            "echo",
            "Of mode stream: a field of the item's JSON that its answer repeats, which proves that they belong together.",
            .text("the name of a field", allowsEmpty: false)
        ) { $0.echo = $1 },
        Key(
            "ordered", "Of mode stream: trust is your word that the command answers each line with one, in order.",
            ValueForm<OrderedValue>.choice
        ) { _, _ in },
        Key(
            "cursor",
            "Of a producer: how it goes on after it was stopped. With line its command writes the same lines again, and those that were put before are counted, compared and left out; with own it is told where to go on in LEAT_CURSOR; with key its items have keys, and none is put twice; with none it can't.",
            .choice, standard: "line"
        ) { $0.cursor = $1 },
        Key(
            "shards",
            "Of a producer: names of slices that are produced side by side, each by a process that finds its own in LEAT_SHARD.",
            .shards
        ) { $0.shards = $1 },
        Key(
            "when",
            "closed: the stage begins when nothing more can come, and its one process is given the whole input at once.",
            ValueForm<WhenValue>.choice
        ) { _, _ in },
        Key(
            "after", "Of a consumer without a queue: the stages that must be complete before its command runs, once.",
            .stages, synonyms: ["needs", "depends_on", "requires"]
        ) { $0.after = $1 },
        Key(
            "workers", "How many worker processes the stage has.", .whole(1...1000), standard: "1",
            synonyms: ["processes", "parallelism", "parallel", "jobs"]
        ) { $0.workers = $1 },
        Key(
            "concurrency", "Of mode item: how many commands each worker has running at once.", .whole(1...1000),
            standard: "1"
        ) { $0.concurrency = $1 },
        Key(
            "outputs",
            "With concurrency: as_taken puts outputs in the order of the items, and one that takes long holds up the others; as_finished does not wait.",
            .outputOrder, standard: "as_taken"
        ) { $0.outputOrder = $1 },
        Key("rate", "How many items the stage begins in a time, all its workers together.", .rate, standard: "no limit")
        {
            $0.rate = $1
        },
        Key(
            "batch",
            "How many items are claimed at once, at most: the lines of a process in mode batch, the items in flight in modes stream and ack, the lines of a transaction of a producer.",
            .whole(1...100_000), standard: "the mode's own", synonyms: ["batch_size"]
        ) { $0.batch = $1 },
        Key(
            "capacity", "How many unsettled items the stage's queue may hold before those that feed it wait.",
            .whole(1...1_000_000_000), standard: "no limit"
        ) { $0.capacity = $1 },
        Key(
            "retry",
            "How often a failed item is tried, or a mapping that also says when. Of a producer, `when: closed` and `after` it is how often in a row the command may fail; left out, 5.",
            .retry, standard: "3",
            synonyms: ["retries", "attempts", "tries"]
        ) { $0.retry = $1 },
        Key(
            "timeout",
            "How long one answer may take, and of a producer how long it may be silent; then its process is ended, and the attempt has failed.",
            .duration(), standard: "60s; no limit of a producer"
        ) { $0.timeout = $1 },
        Key(
            "max_dead", "How many dead letters the stage may end with and not have failed.", .tolerance, standard: "any"
        ) { $0.maxDead = $1 },
        Key(
            "order", "Whether the order of the queue's items matters: loose, or by group.", .order, standard: "loose"
        ) { $0.order = $1 },
        Key(
            "env",
            "Variables of the command's environment. One without a value has that of whoever runs the pipeline: secrets are passed so.",
            .environment, synonyms: ["environment"]
        ) { $0.environment = $1 },
        Key(
            "cwd", "The folder in which the command runs, as seen from the file's.",
            .text("a folder's path", allowsEmpty: false), standard: "the file's folder",
            synonyms: ["dir", "directory", "folder", "workdir", "working_directory"]
        ) { $0.folder = $1 },
        Key("limits", "What each process of the command may use.", .limits) { $0.limits = $1 },
        Key("durability", "What the stage's commits survive.", .choice, standard: "power-cut") { $0.durability = $1 },
        Key("keep", "What becomes of the queue's items once they are done.", .keep, standard: "all") { $0.keep = $1 }
    )
    .withOne(of: kinds.map(\.key))
}
