internal import CLeatSQLite
internal import Leat

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// What a connection does while another one holds the lock that it needs: it waits a millisecond or so and tries again, up
/// to a deadline.
///
/// SQLite's own handler backs off further the longer one waits, which starves the oldest waiter. It is set past GRDB, so
/// that it can be left out for one statement.
enum BusyHandler {
    static func set(on handle: OpaquePointer, deadline: Duration) {
        // The limit is all that the handler needs to know, and goes in the pointer's place.
        let limit = UnsafeMutableRawPointer(bitPattern: Int(max(1, deadline.milliseconds)))
        sqlite3_busy_handler(
            handle,
            { limit, tries in
                guard Int(tries) < Int(bitPattern: limit) else { return 0 }
                usleep(UInt32.random(in: 500...1500))
                return 1
            }, limit)
    }

    /// Takes the write lock, and waits for it no longer than up to `end`.
    ///
    /// - Throws: ``SQLFailure`` of kind `busy`.
    static func begin(on connection: Connection, deadline: Duration, until end: ContinuousClock.Instant) throws {
        while try !begin(on: connection, deadline: deadline) {
            guard ContinuousClock.now < end else {
                throw SQLFailure(code: SQLITE_BUSY, message: "database is locked")
            }
            usleep(.random(in: 500...1500))
        }
    }

    /// Takes the write lock if nobody else holds it just now.
    ///
    /// - Parameter deadline: of the connection's other statements.
    static func begin(on connection: Connection, deadline: Duration) throws -> Bool {
        sqlite3_busy_handler(connection.handle, nil, nil)
        defer { set(on: connection.handle, deadline: deadline) }
        do {
            try connection.begin()
            return true
        } catch let failure as SQLFailure where failure.kind == .busy {
            return false
        }
    }
}
