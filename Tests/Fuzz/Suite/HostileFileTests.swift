import Foundation
import FuzzTargets
import LeatTesting
import Synchronization
import Testing
import Torture

/// Files that somebody has tampered with, or that a broken disk has.
@Suite("Hostile files")
struct HostileFileTests {
    private let folder = URL(filePath: FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : "/tmp")
        .appending(path: "leat-hostile-\(UUID().uuidString)")

    @Test("are answered or refused with an error of Leat's, soon, and never end the process")
    func hostile() async throws {
        let trial = Trial("hostile files", ci: 200, full: 10_000, of: "files")
        defer { try? FileManager.default.removeItem(at: folder) }
        let honest = try await HostileFile.honest(in: folder.appending(path: "honest"))
        let other = try await HostileFile.honest(in: folder.appending(path: "other"), marked: "b")
        var random = trial.generator
        var outcomes: [HostileFile.Outcome: Int] = [:]
        var slowest = Duration.zero

        for number in 1...trial.count {
            let file = honest.harmed(beside: other, using: &random)
            let start = ContinuousClock.now
            let outcome = await file.tried(in: folder.appending(path: "x"))
            let time = ContinuousClock.now - start
            slowest = max(slowest, time)
            outcomes[outcome, default: 0] += 1
            if case .other(let what) = outcome {
                trial.breach(1)
                Issue.record("file \(number) of seed \(trial.seed), \(try keep(number)): \(what)")
            }
            if time >= Trial.soon {
                trial.breach(1)
                Issue.record("file \(number) of seed \(trial.seed), \(try keep(number)), took \(time)")
            }
        }

        let refused = trial.count - outcomes[.answered, default: 0]
        // Of so many some must be found, and some harm nothing.
        #expect(refused > 0 && refused < trial.count, "\(outcomes)")
        let milliseconds = slowest.components.seconds * 1000 + slowest.components.attoseconds / 1_000_000_000_000_000
        try trial.finish(
            trial.count, finding: "\(refused) refused, the others answered; the slowest in \(milliseconds) ms")
    }

    /// Keeps the file that was tried last.
    ///
    /// - Returns: where it is.
    private func keep(_ number: Int) throws -> String {
        let kept = FileManager.default.temporaryDirectory.appending(
            path: "\(folder.lastPathComponent)-kept-\(number)")
        try FileManager.default.copyItem(at: folder.appending(path: "x"), to: kept)
        return kept.path
    }

    @Test("of an honest kind are answered, so that the harm is what is refused")
    func unharmed() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let honest = try await HostileFile.honest(in: folder.appending(path: "honest"))

        #expect(await honest.tried(in: folder.appending(path: "x")) == .answered)
    }
}

extension HostileFile {
    /// One to twenty bits flipped, bytes overwritten, an end cut off, or a log that is another's.
    fileprivate func harmed(beside other: HostileFile, using random: inout some RandomNumberGenerator) -> HostileFile {
        var file = self
        func harm(_ bytes: inout [UInt8]) {
            guard !bytes.isEmpty else { return }
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                for _ in 0..<Int.random(in: 1...20, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] ^=
                        1 << UInt8.random(in: 0..<8, using: &random)
                }
            case 1:
                let start = Int.random(in: 0..<bytes.count, using: &random)
                for place in start..<min(bytes.count, start + Int.random(in: 1...600, using: &random)) {
                    bytes[place] = .random(in: 0...255, using: &random)
                }
            case 2: bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
            // The header, where each byte has a meaning.
            default:
                bytes[Int.random(in: 0..<min(bytes.count, 200), using: &random)] = .random(in: 0...255, using: &random)
            }
        }
        switch Int.random(in: 0..<6, using: &random) {
        case 0: file.log = other.log
        case 1: file.log = nil
        case 2:
            var log = file.log ?? []
            harm(&log)
            file.log = log
        default: harm(&file.database)
        }
        return file
    }
}
