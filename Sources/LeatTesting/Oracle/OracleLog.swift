public import Leat

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// What worker processes have tried and done, in a file that is not the database.
///
/// Each process appends to the same file, several records with one `write(2)`, in the order in which things happened;
/// what was written survives the process. ``OracleCheck`` holds it against what the store shows afterwards.
///
/// ```swift
/// let log = try OracleLog(path: "/tmp/run.oracle")
/// let store = log.observing(try await SQLiteStore.open("run.db"))  // in each process
/// // … workers are killed, the run is repeated until it ends by itself …
/// let check = OracleCheck(try log.records(), try await OracleView(of: store))
/// #expect(check.findings == [])
/// ```
///
/// A function may also tell the log itself, with ``record(_:)``, what the store does not see.
///
/// - Important: Nothing is synced: the log tells of the deaths of processes, not of power cuts.
public final class OracleLog: Sendable {
    public let path: String
    private let descriptor: Int32

    /// Opens a log, and makes it when it isn't there.
    public init(path: String) throws {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw LeatError(
                .storeFailed, "The log \(printable(path)) can't be opened: \(String(cString: strerror(errno))).")
        }
    }

    deinit { close(descriptor) }

    /// Appends records, with this process's number in each.
    ///
    /// A log that can't be written would let the check pass for want of evidence, so that ends the process.
    public func record(_ records: [OracleRecord]) {
        guard !records.isEmpty else { return }
        let pid = getpid()
        let bytes = records.flatMap { record in
            var record = record
            record.pid = pid
            return record.line
        }
        let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        guard count == bytes.count else {
            fatalError("The log \(path) took \(count) of \(bytes.count) bytes: \(String(cString: strerror(errno))).")
        }
    }

    public func record(_ record: OracleRecord) { self.record([record]) }

    /// Everything that was recorded, in the order in which it was.
    public func records() throws -> [OracleRecord] { try Self.records(path: path) }

    /// The same of a log that others write.
    public static func records(path: String) throws -> [OracleRecord] {
        guard let file = fopen(path, "r") else {
            throw LeatError(
                .notFound, "The log \(printable(path)) can't be read: \(String(cString: strerror(errno))).")
        }
        defer { fclose(file) }
        var records: [OracleRecord] = []
        var line = [UInt8](repeating: 0, count: OracleRecord.size)
        while fread(&line, 1, OracleRecord.size, file) == OracleRecord.size {
            records.append(try OracleRecord(line: line))
        }
        return records
    }

    /// A store that tells this log what is put, claimed, acknowledged and refused through it.
    public func observing(_ store: any Store) -> any Store { OracleStore(store, log: self) }
}
