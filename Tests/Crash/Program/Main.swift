import Foundation
import Leat
import LeatCLI
import LeatTesting

/// Begins the program with what its environment orders of the store: `CRASH_ORACLE` is the log that it is to tell what it
/// does, `CRASH_WITHOUT` what is taken away from the store (``SpoiltStore/Lack``),
/// `CRASH_FILL` when it fills the disk. `CRASH_OPENS` has it open so many new databases instead of running a pipeline.
@main
struct Main {
    static func main() async {
        let environment = ProcessInfo.processInfo.environment
        if let rounds = environment["CRASH_OPENS"].flatMap(Int.init) {
            return await Opening.run(rounds, path: CommandLine.arguments.last ?? "")
        }
        await CrashProgram.main { store in
            var store = store
            // The log sees what the worker asked for, and not what was made of it.
            if let lack = environment["CRASH_WITHOUT"].flatMap(SpoiltStore.Lack.init) {
                store = SpoiltStore(store, without: lack)
            }
            if let fill = environment["CRASH_FILL"], let path = CommandLine.arguments.value(after: "--db") {
                store = try FillingStore(store, fill, beside: path)
            }
            return try environment["CRASH_ORACLE"].map { try OracleLog(path: $0).observing(store) } ?? store
        }
    }
}

extension [String] {
    func value(after word: String) -> String? {
        firstIndex(of: word).flatMap { indices.contains($0 + 1) ? self[$0 + 1] : nil }
    }
}
