import FaultVFS
import FaultWorkload
import Foundation
import Leat
import LeatSQLite

/// One process of the fault tests. `leat-fault-worker DATABASE COUNT ROLE`, where the role is `all`, `make`, `change` or
/// `keep`.
///
/// Its environment says what becomes of it: `FAULT_RECORD` names the file that every write and sync is recorded in, with
/// its testimony between; `FAULT_TELL` one for the testimony alone; `FAULT_KILL` the call at which it is killed; with
/// `FAULT_COUNT` it prints how many calls there were; `FAULT_NORMAL` has its stages' commits survive a process's death only.
@main
struct FaultWorker {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, let count = Int(arguments[2]) else { exit(2) }
        let database = arguments[1]
        guard fault_install() == 0 else { exit(3) }
        fault_watch(database)
        if let log = environment("FAULT_RECORD"), fault_record(log) != 0 { exit(4) }
        let witness = environment("FAULT_TELL").map { open($0, O_CREAT | O_WRONLY | O_APPEND, 0o600) }
        if let call = environment("FAULT_KILL").flatMap(Int.init) {
            fault_kill(kinds, call)
        } else {
            fault_count(kinds)
        }

        let workload = Workload(count: count) { testimony in
            fault_note(testimony.line)
            if let witness {
                let line = Array((testimony.line + "\n").utf8)
                precondition(write(witness, line, line.count) == line.count)
            }
        }
        let store = try await SQLiteStore.open(database)
        try await store.install(Workload.plan(environment("FAULT_NORMAL") == nil ? .powerCut : .processCrash))
        switch arguments[3] {
        case "all": try await workload.run(on: store)
        case "make": try await workload.make(on: store)
        case let stage:
            try await workload.work(StageName(checking: stage), on: store) { step in
                if step % 4 == 0 { try await store.checkpoint() }
            }
        }
        if environment("FAULT_COUNT") != nil { print(fault_calls()) }
        // What the store does in its last moments is nobody's business any more.
        exit(0)
    }

    /// All that SQLite asks of the system and that changes something, or takes a lock.
    private static let kinds = UInt32(FAULT_ANY & ~FAULT_READ)

    private static func environment(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }
}
