/// What went wrong, as one sentence for a person and a code for a program.
///
/// The sentence says what was attempted, with which value, and what to try.
public struct LeatError: Error, Sendable, CustomStringConvertible {
    /// The kinds of error. The set is open: a store may add its own.
    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }

        /// A queue, stage or shard was given a name that the rules forbid.
        public static let invalidName = Code(rawValue: "invalid-name")
        /// The pipeline contradicts itself: a queue with two consumers, types that do not meet, a missing stage.
        public static let invalidPipeline = Code(rawValue: "invalid-pipeline")
        /// The file was made by another pipeline, or by one with other stages or queues.
        public static let pipelineChanged = Code(rawValue: "pipeline-changed")
        /// A step came under a lease that is no longer its worker's. Nothing of it was committed.
        public static let leaseLost = Code(rawValue: "lease-lost")
        /// A producer's step came under an epoch that another worker has since taken over. Nothing was committed.
        public static let fenced = Code(rawValue: "fenced")
        /// A put into a queue whose end has been told.
        public static let queueClosed = Code(rawValue: "queue-closed")
        /// Another `run` holds this database.
        public static let alreadyRunning = Code(rawValue: "already-running")
        /// The database refused what a step wrote (a constraint, a size), so that it was undone as a whole.
        public static let stepRefused = Code(rawValue: "step-refused")
        /// No stage, queue or item of that name or number.
        public static let notFound = Code(rawValue: "not-found")
        /// A queue hands out nothing, since its breaker has tripped.
        public static let tripped = Code(rawValue: "tripped")
        /// The order would change something that must not change as things stand.
        public static let refused = Code(rawValue: "refused")
        /// A producer wrote items and saved neither a cursor nor keys, so where to go on is not known.
        public static let cannotResume = Code(rawValue: "cannot-resume")
        /// A payload could not be made from a value, or a value from a payload.
        public static let payload = Code(rawValue: "payload")
        /// The file is not ours, is newer than this program, or was altered.
        public static let foreignFile = Code(rawValue: "foreign-file")
        /// The file's place can't keep it safe: a network file system, a symbolic link, a second name.
        public static let unsafePlace = Code(rawValue: "unsafe-place")
        /// The database stayed locked up to the deadline.
        public static let busy = Code(rawValue: "busy")
        /// No space is left for the database, or too little to begin new work. It passes when there is more.
        public static let diskFull = Code(rawValue: "disk-full")
        /// The file is damaged, or the disk did not keep what it was given. Nothing more is written, nothing repaired.
        public static let damaged = Code(rawValue: "damaged")
        /// The store failed in a way that it does not know how to go on from.
        public static let storeFailed = Code(rawValue: "store-failed")
    }

    public let code: Code
    public let message: String
    /// What caused it, when it was not found by Leat itself.
    public let cause: (any Error)?

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    public var description: String {
        guard let cause else { return message }
        return "\(message) (\(printable("\(cause)")))"
    }
}

/// Text from outside made safe to show on a terminal or in a log line.
///
/// Control characters (C0, DEL, C1) and bidirectional overrides are shown as `\u{…}`; other text is left alone.
package func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isUnprintable) else { return text }
    var shown = ""
    for scalar in text.unicodeScalars {
        if isUnprintable(scalar) {
            shown += scalar == "\n" ? "\\n" : scalar == "\t" ? "\\t" : "\\u{\(String(scalar.value, radix: 16))}"
        } else {
            shown.unicodeScalars.append(scalar)
        }
    }
    return shown
}

private func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7F..<0xA0, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
    default: false
    }
}
