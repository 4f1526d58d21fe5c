/// A name that may become part of a table's name, an environment variable and a path.
///
/// It matches `[a-z][a-z0-9_]{0,62}`, so nothing that a user wrote needs to be
/// escaped again further down.
public protocol LeatName: RawRepresentable, Hashable, Sendable, Codable, Comparable, CustomStringConvertible,
    ExpressibleByStringLiteral
where RawValue == String, StringLiteralType == String {
    /// What the name is a name of, for messages: `queue`, `stage`.
    static var noun: String { get }

    /// Takes the name as it stands; callers go through ``LeatName/init(checking:)`` or a literal.
    init(unchecked rawValue: String)
}

extension LeatName {
    /// Takes a name that came from outside.
    ///
    /// - Throws: ``LeatError/Code/invalidName``, naming what was found and what is allowed.
    public init(checking name: String) throws {
        guard isWellFormed(name) else {
            throw LeatError(
                .invalidName,
                "'\(printable(name))' can't be the name of a \(Self.noun): it must begin with a lower-case letter and go on with at most 62 lower-case letters, digits or underscores."
            )
        }
        self.init(unchecked: name)
    }

    public init?(rawValue: String) {
        guard isWellFormed(rawValue) else { return nil }
        self.init(unchecked: rawValue)
    }

    /// A name written in the program; a malformed one is a programmer's error and stops it.
    public init(stringLiteral value: String) {
        precondition(isWellFormed(value), "'\(value)' can't be the name of a \(Self.noun): [a-z][a-z0-9_]{0,62}")
        self.init(unchecked: value)
    }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    public var description: String { rawValue }

    public init(from decoder: any Decoder) throws {
        try self.init(checking: decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}

private func isWellFormed(_ name: String) -> Bool {
    let bytes = name.utf8
    guard let first = bytes.first, (97...122).contains(first), bytes.count <= 63 else { return false }
    return bytes.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }
}

/// The name of a queue: one table of items between stages.
public struct QueueName: LeatName {
    public static var noun: String { "queue" }
    public let rawValue: String
    public init(unchecked rawValue: String) { self.rawValue = rawValue }
}

/// The name of a stage, which is its identity: a program that starts again under this name goes on with its work.
public struct StageName: LeatName {
    public static var noun: String { "stage" }
    public let rawValue: String
    public init(unchecked rawValue: String) { self.rawValue = rawValue }

    /// What whoever claims from a queue on its own goes by.
    public init(of queue: QueueName) { rawValue = queue.rawValue }
}

/// The name of a shard: one independent slice of a producer stage, with its own cursor.
///
/// Unlike the other names it is only ever bound as a value, so any text will do.
public struct ShardName: RawRepresentable, Hashable, Sendable, Codable, Comparable, CustomStringConvertible,
    ExpressibleByStringLiteral
{
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public init(_ rawValue: String) { self.rawValue = rawValue }
    public init(stringLiteral value: String) { self.rawValue = value }

    /// The one shard of a stage that has no slices.
    public static let whole = ShardName("")
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    public var description: String { rawValue }
}

/// An identifier that a store hands out: never reused, and in the order of commits within its table.
public protocol StoreIdentifier: RawRepresentable, Hashable, Sendable, Codable, Comparable, CustomStringConvertible
where RawValue == Int64 {
    init(rawValue: Int64)
}

extension StoreIdentifier {
    public init(_ rawValue: Int64) { self.init(rawValue: rawValue) }
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    public var description: String { String(rawValue) }
}

/// An item's number within its queue.
public struct ItemID: StoreIdentifier {
    public let rawValue: Int64
    public init(rawValue: Int64) { self.rawValue = rawValue }
}

/// A lease's number, which is the fencing token: a lease that was taken away comes back under another one.
public struct LeaseID: StoreIdentifier {
    public let rawValue: Int64
    public init(rawValue: Int64) { self.rawValue = rawValue }
}

/// The number of a worker: one process that runs one stage.
public struct WorkerID: StoreIdentifier {
    public let rawValue: Int64
    public init(rawValue: Int64) { self.rawValue = rawValue }
}
