import Foundation
import Leat
import Subprocess
import Testing

@Suite("A run whose files are taken away", .timeLimit(.minutes(1)))
struct ReplacedFileTests {
    @Test("ends, its workers too, and says why", arguments: ["scene.db", "scene.db-wal"])
    func moved(file: String) async throws {
        let scene = try LeatScene(upTo: 1000, work: "read line; echo $$ >> begun; sleep 0.2; echo \"$line\"")

        let status = try await scene.leat("run", "scene.yaml") { _ in
            try await scene.numbers(in: "begun")
            try FileManager.default.moveItem(
                at: scene.folder.appending(path: file), to: scene.folder.appending(path: "moved"))
        }

        #expect(status == .exited(40))
        #expect(scene.output.contains("replaced or deleted while the run had it open"))
        try await scene.wait(for: "the end of its processes") { scene.processes.isEmpty }
    }
}
