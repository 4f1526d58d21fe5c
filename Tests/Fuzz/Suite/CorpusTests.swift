import Foundation
import FuzzTargets
import Testing
import Torture

/// Every input that is kept, given to the function that it was found by. One that trapped once would end the tests.
@Suite("The fuzzers' corpus", .timeLimit(.minutes(5)))
struct CorpusTests {
    @Test("holds nothing that a target traps at, or takes long for", arguments: FuzzTarget.allCases)
    func kept(target: FuzzTarget) async throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(
            path: "../Corpus/\(target.rawValue)")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(!names.isEmpty)

        for name in names {
            let start = ContinuousClock.now
            await target(Array(try Data(contentsOf: folder.appending(path: name))))
            #expect(ContinuousClock.now - start < Trial.soon, "\(name)")
        }
    }
}
