internal import GRDB
internal import Leat

extension Row {
    /// A column of our own tables that must hold such a value.
    ///
    /// Who has tampered with the file, or a disk that has, must not end the process, which GRDB's subscript would.
    ///
    /// - Throws: ``LeatError/Code/damaged``.
    func value<Value: DatabaseValueConvertible>(_ column: String) throws -> Value {
        try Self.value(self[column] as DatabaseValue?, column)
    }

    func value<Value: DatabaseValueConvertible>(at index: Int) throws -> Value {
        guard index < count else { throw damaged("column \(index)") }
        return try Self.value(self[index] as DatabaseValue, "column \(index)")
    }

    private static func value<Value: DatabaseValueConvertible>(
        _ found: DatabaseValue?, _ column: String
    ) throws -> Value {
        guard let value = found.flatMap(Value.fromDatabaseValue) else { throw damaged("'\(column)'") }
        return value
    }
}

/// Reads what Leat has written down itself; what can't be read was altered by somebody else.
///
/// - Parameter what: is read, for the message.
func readingRecords<Value>(_ what: String, _ read: () throws -> Value) throws -> Value {
    do {
        return try read()
    } catch let error as LeatError where error.code != .invalidName && error.code != .invalidPipeline {
        throw error
    } catch let error where error is DatabaseError || error is SQLFailure {
        throw error
    } catch {
        throw damaged(what, cause: error)
    }
}

private func damaged(_ what: String, cause: (any Error)? = nil) -> LeatError {
    LeatError(
        .damaged,
        "The database's own record (\(what)) can't be read, so it was altered or is damaged; keep the file with its -wal as it is, and restore a copy.",
        cause: cause)
}
