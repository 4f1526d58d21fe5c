package import Leat

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif
#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Deaths by SIGKILL at places that were chosen beforehand, for the demonstration and the tests.
///
/// Each shot comes from inside a worker's function, at the first item of its
/// stage whose number is at or past the shot's, and is fired once, over all
/// processes and restarts: whoever creates its mark, `NUMBER.fired`, kills.
///
/// A folder holds the marks and the file `plan`, a line a shot:
/// ```
/// 1 enrich 7031 worker
/// 2 load 4400 supervisor
/// ```
package struct Shots: Sendable {
    /// Who dies.
    enum Target: String, Sendable {
        /// The process that works on the item.
        case worker
        /// The one that started it.
        case supervisor
    }

    struct Shot: Sendable, Hashable {
        var number: Int
        var stage: StageName
        var count: Int64
        var target: Target
    }

    private let folder: String
    private let shots: [Shot]

    /// - Parameter folder: `nil` when nobody is to be shot.
    package init(folder: String?) throws {
        self.folder = folder ?? ""
        shots = try folder.map { try Lines(of: "\($0)/plan").map { try Self.shot($0) } } ?? []
    }

    static func shot(_ line: Line) throws -> Shot {
        let words = line.text.split(separator: " ").map(String.init)
        guard words.count == 4, let number = Int(words[0]), let count = Int64(words[2]),
            let target = Target(rawValue: words[3])
        else {
            throw PermanentError(
                "Line \(line.number) of the plan of shots is '\(line.text)'; expected is 'NUMBER STAGE COUNT worker|supervisor'."
            )
        }
        return Shot(number: number, stage: try StageName(checking: words[1]), count: count, target: target)
    }

    /// Kills, if a shot of this stage is due at this item. A worker that is its own target does not return.
    package func pass(_ stage: StageName, item: Int64) {
        for shot in shots where shot.stage == stage && item >= shot.count {
            // The file system lets one process of all create the mark.
            let mark = open("\(folder)/\(shot.number).fired", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            guard mark >= 0 else { continue }
            close(mark)
            switch shot.target {
            case .worker: kill(getpid(), SIGKILL)
            case .supervisor: kill(getppid(), SIGKILL)
            }
        }
    }
}
