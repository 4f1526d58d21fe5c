import Foundation
import Subprocess
import Testing

@Suite("WordCount", .timeLimit(.minutes(1)))
struct WordCountTests {
    @Test("counts what a plain pipe of the same commands counts")
    func counts() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let example = try folder.copyOfExample("WordCount")

        let ending = try await run("leat", ["run", example + "/words.yaml", "--db", folder.path("words.db")])

        #expect(ending.status == .exited(0), "\(ending.output)\(ending.errors)")
        let expected = try await Subprocess.run(
            .name("sh"),
            arguments: ["-c", #"tr -cs A-Za-z '\n' < "$0" | grep . | sort | uniq -c"#, example + "/leat.txt"],
            output: .string(limit: 1 << 20), error: .discarded)
        let counts = try String(contentsOfFile: example + "/counts.txt", encoding: .utf8)
        #expect(counts == expected.standardOutput)
        #expect(counts.contains(" 21 the\n"))
    }

    @Test("is a stage a line, and stands in the README as it is")
    func short() throws {
        let folder = exampleFolder("WordCount")
        let text = try String(contentsOfFile: folder + "/words.yaml", encoding: .utf8)
        let readme = try String(contentsOfFile: folder + "/../../README.md", encoding: .utf8)

        #expect(text.split(separator: "\n").count == 4)
        #expect(readme.contains("```yaml\n" + text + "```"))
    }
}
