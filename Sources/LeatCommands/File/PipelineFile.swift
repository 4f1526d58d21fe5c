package import Leat

/// A pipeline whose stages are commands, as a YAML file describes it.
///
/// Reading one checks its words and its shape; whether the stages fit together is checked when a plan or a
/// ``Leat/Pipeline`` is made of it.
package struct PipelineFile: Sendable, Hashable {
    package var name: String
    package var description: String?
    package var parameters: [ParameterEntry] = []
    /// In the order of the file.
    package var stages: [StageEntry] = []
    /// Those that the file names apart from its stages, with what it says of them; their rules are in the stages.
    package var queues: [QueueEntry] = []
    /// The file's real path, and the folder that it is in.
    package var path: String
    package var folder: String
    /// What messages call the file: the path by which it was read.
    package var shownAs: String

    /// As it was read.
    var bytes: [UInt8] = []

    package init(name: String, path: String, folder: String) {
        self.name = name
        self.path = path
        self.folder = folder
        shownAs = path
    }

    package subscript(stage: StageName) -> StageEntry? { stages.first { $0.name == stage } }
}

/// A parameter of the run; commands find its value in an environment variable of the same name in capitals.
package struct ParameterEntry: Sendable, Hashable {
    package var name: String
    /// `nil`: whoever runs the pipeline must give one.
    package var value: String?

    package init(name: String, value: String?) {
        self.name = name
        self.value = value
    }
}

/// What a file says of a queue.
package struct QueueEntry: Sendable, Hashable {
    package var name: QueueName
    /// Where it stands, from 1.
    package var line: Int
    package var description: String?

    package init(name: QueueName, line: Int, description: String?) {
        self.name = name
        self.line = line
        self.description = description
    }
}

/// What a stage runs.
package enum StageCommand: Sendable, Hashable {
    /// A program and its arguments. No shell looks at them.
    case arguments([String])
    /// One string for `/bin/sh -c`. No data of an item, and no parameter, is ever put into it.
    case shell(String)
}

/// How a stage's command and its worker talk to each other.
package enum StageMode: String, Sendable, Hashable, CaseIterable {
    /// One process an item.
    case item
    /// One process a batch of items, a line each.
    case batch
    /// A process that lives on, and answers a line with a line.
    case stream
    /// A process that lives on and knows the protocol: lines of JSON both ways.
    case ack
    /// A process without input, each of whose lines is an item.
    case source
}

/// How many lines a command that is given a batch answers with.
package enum BatchCardinality: String, Sendable, Hashable, CaseIterable {
    /// A line for a line, in the same order.
    case one
    /// Any number; the batch is the unit.
    case any
}

/// What proves that the answers of a `stream` command belong to its questions.
package enum StreamProof: Sendable, Hashable {
    /// Each answer repeats this field of its question.
    case echo(String)
    /// Nothing but the user's word.
    case trust
}

/// How a source goes on after it was stopped.
package enum SourceCursor: String, Sendable, Hashable, CaseIterable {
    /// The command writes the same lines each time: those that were put before are counted, compared and left out.
    case line
    /// Each line of the command is a message with the cursor that follows it; it is told in LEAT_CURSOR where to go on.
    case own
    /// The command begins anew; each item has a key, and one that is there is not put twice.
    case key
    /// It can't.
    case none
}

/// Where a stage's outputs go.
package enum StageOutputs: Sendable, Hashable {
    case none
    /// Each line into each of the queues.
    case all([QueueName])
    /// Each line is an envelope, an object that names its queue among these, and holds the body.
    case route([QueueName])

    package var queues: [QueueName] {
        switch self {
        case .none: []
        case .all(let queues), .route(let queues): queues
        }
    }
}

/// The value of a variable of a command's environment.
package enum VariableValue: Sendable, Hashable {
    case text(String)
    /// That of the environment in which the worker was started.
    case inherited
}

/// One stage of a ``PipelineFile``.
package struct StageEntry: Sendable, Hashable {
    package var name: StageName
    /// Where it stands, from 1.
    package var line: Int
    package var description: String?
    package var kind: StageKind
    package var command: StageCommand
    package var from: QueueName?
    package var to = StageOutputs.none
    package var mode: StageMode
    package var cardinality = BatchCardinality.any
    /// Of a `stream` only.
    package var proof: StreamProof?
    /// Of a `source` only.
    package var cursor = SourceCursor.line
    /// The slices of a source; its command finds the name of its own in LEAT_SHARD.
    package var shards: [ShardName] = []
    package var whenClosed = false
    package var after: [StageName] = []
    package var workers = 1
    /// Items at once in a worker; of mode `item` only.
    package var concurrency = 1
    package var rate: Rate?
    /// Items a claim, lines a process in mode `batch`, items in flight in modes `stream` and `ack`. `nil`: the mode's own.
    package var batch: Int?
    package var capacity: Int?
    package var retry = RetryPolicy()
    /// How often in a row the stage itself may fail, where no item is to blame.
    package var crashes = StagePolicy().crashes
    /// How long one answer may take; of a source, how long it may be silent. `nil`: 60 s, and for ever for a source.
    package var timeout: Duration?
    package var maxDead = Tolerance.any
    /// The field of an item's JSON by whose value the items of the stage's queue are worked on in order.
    package var groupField: String?
    /// In which order the outputs of items that are worked on at once are put; of mode `item` only.
    package var outputOrder = OutputOrder.asTaken
    package var environment: [String: VariableValue] = [:]
    /// Where the command runs. A real path; the file's folder, if the file does not say.
    package var folder: String
    /// Bytes of address space that each process may have.
    package var memoryLimit: Int64?
    /// Bytes that one answer may have: all that one process writes in modes `item` and `batch`, a line in the others.
    package var outputLimit: Int64 = 64 << 20
    package var durability = Durability.powerCut
    package var keep = Keep.all

    package init(name: StageName, line: Int, kind: StageKind, command: StageCommand, mode: StageMode, folder: String) {
        self.name = name
        self.line = line
        self.kind = kind
        self.command = command
        self.mode = mode
        self.folder = folder
    }
}
