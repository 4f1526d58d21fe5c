import Foundation
import Leat
import LeatSQLite
import LeatTesting

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Opens new databases at the same moment as others do: makes or migrates each, puts an item, claims one, closes.
enum Opening {
    /// - Parameter path: the folder of the databases; each round begins when all processes have ended the one before.
    static func run(_ rounds: Int, path: String) async {
        let environment = ProcessInfo.processInfo.environment
        let processes = environment["CRASH_PROCESSES"].flatMap(Int.init) ?? 1
        for round in 0..<rounds {
            arrive(at: round, of: processes, path + "/barrier")
            do {
                try await openOnce(path + "/\(round).db", log: OracleLog(path: path + "/\(round).oracle"))
            } catch {
                FileHandle.standardError.write(Data("Round \(round): \(error)\n".utf8))
                exit(1)
            }
        }
    }

    private static func openOnce(_ database: String, log: OracleLog) async throws {
        let store = log.observing(try await SQLiteStore.open(database))
        _ = try await store.makeQueue("jobs", policy: nil)
        let worker = try await store.enroll(Enrollment(stage: "jobs", pid: getpid(), sign: .process))
        try await store.put([Output(.text("\(getpid())"), to: "jobs")])
        let claim = try await store.claim(ClaimRequest("jobs", worker: worker, limit: 1, for: .seconds(60)))
        guard let lease = claim.lease else { throw LeatError(.notFound, "Nothing was handed out, but \(claim).") }
        _ = try await store.commit(Step(.done, of: lease), next: nil)
        try await store.end(worker, .finished)
    }

    /// One byte a process and round, in a file that all append to.
    private static func arrive(at round: Int, of processes: Int, _ path: String) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        guard descriptor >= 0, write(descriptor, "x", 1) == 1 else { fatalError("\(path) can't be written") }
        defer { close(descriptor) }
        var status = stat()
        // One that has failed does not come.
        let end = ContinuousClock.now + .seconds(60)
        repeat {
            guard ContinuousClock.now < end else { fatalError("not all processes came to round \(round)") }
            usleep(200)
            fstat(descriptor, &status)
        } while Int(status.st_size) < (round + 1) * processes
    }
}
