import Foundation
import Testing

@testable import LeatCLI

@Suite("commands on pipeline files")
struct FileCommandTests {
    private let folder = TemporaryFolder()

    private func leat(_ arguments: String...) async -> CommandRunner.Ending {
        await CommandRunner.run(LeatTool.self, arguments: arguments)
    }

    private func write(_ text: String, _ name: String = "words.yaml") throws -> String {
        let path = folder.path(name)
        try Data(text.utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        return path
    }

    @Test("are told in --help, each with what it does")
    func help() async throws {
        let tool = try #require(await leat("--help").output)
        let validate = try #require(await leat("validate", "--help").output)
        let start = try #require(await leat("init", "--help").output)
        let schema = try #require(await leat("schema", "--help").output)

        for name in ["init", "validate", "schema"] { #expect(tool.contains("\n  \(name) ")) }
        for word in ["--param <name=value>", "--graph <graph>", "mermaid", "--format <format>"] {
            #expect(validate.contains(word))
        }
        #expect(start.contains("default: pipeline.yaml") && start.contains("left alone"))
        #expect(schema.contains("leat schema > leat.schema.json"))
    }

    @Test("begin with a file that is valid as it is, and overwrite none")
    func start() async throws {
        let path = folder.path("2-begin.yaml")

        #expect(await leat("init", path).status == 0)
        #expect(await leat("validate", path).status == 0)
        for more in [
            ["--graph", "text"], ["--graph", "mermaid"], ["--graph", "dot"], ["--format", "json"],
            ["--param", "last=2"],
        ] {
            #expect(await CommandRunner.run(LeatTool.self, arguments: ["validate", path] + more).status == 0)
        }
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let again = await leat("init", path)
        #expect(again.status == 2)
        #expect(try #require(again.error).contains("is there already"))
        #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
    }

    @Test("leave a link alone that leads nowhere yet")
    func danglingLink() async throws {
        try FileManager.default.createSymbolicLink(
            atPath: folder.path("link.yaml"), withDestinationPath: folder.path("target.yaml"))

        #expect(await leat("init", folder.path("link.yaml")).status == 2)
        #expect(!folder.has("target.yaml"))
    }

    @Test("refuse a wrong file with status 2, its line and the way out")
    func wrong() async throws {
        let path = try write("stages:\n  a: {produce: [x], to: q, retires: 3}\n")

        let ending = await leat("validate", path)

        #expect(ending.status == 2)
        #expect(
            try #require(ending.error).hasPrefix(
                "error: \(path):2: stage 'a' has an unknown key 'retires'; did you mean 'retry'?"))
        #expect(await leat("validate", folder.path("none.yaml")).status == 2)
    }

    @Test("refuse a parameter that the file does not have, and two ways to print")
    func options() async throws {
        let path = try write("params: {day: }\nstages:\n  a: {produce: [x], to: q}\n  b: {consume: [x], from: q}\n")

        #expect(await leat("validate", path).status == 0)
        #expect(await leat("validate", path, "--param", "day=1").status == 0)
        #expect(await leat("validate", path, "--param", "week=1").status == 2)
        #expect(await leat("validate", path, "--param", "day").status == 2)
        #expect(await leat("validate", path, "--graph", "dot", "--format", "json").status == 2)
        #expect(await leat("validate", path, "--graph", "svg").status == 2)
    }
}
