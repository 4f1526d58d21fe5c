import Leat
import LeatSQLite
import Testing

@testable import LeatCLI

private struct Days: PipelineProgram {
    static var pipeline: Pipeline { get throws { try pipeline(with: ["day": "monday", "count": "3"]) } }

    static func pipeline(with parameters: Parameters) throws -> Pipeline {
        let day = try parameters["day"]
        let count = try Int(parameters["count"]) ?? 0
        return try Pipeline("days", parameters: parameters) {
            Producer("numbers", to: "n", repeating: { (0..<count).map { "\(day) \($0)" } })
            Consumer("keep", from: "n") { (_: String) in }
        }
    }
}

@Suite("the parameters of a run")
struct ParameterTests {
    private let folder = TemporaryFolder()
    private var database: String { folder.path("days.db") }

    private func worker(_ stage: String, _ arguments: String...) async -> CommandRunner.Ending {
        await CommandRunner.run(
            ProgramCommand<Days>.self, arguments: ["worker", stage, "--db", database] + arguments)
    }

    private func items() async throws -> [String] {
        let store = try await SQLiteStore.open(database, creating: false)
        return try await store.items(in: "n", after: nil, limit: 99).map {
            String(decoding: $0.payload.bytes, as: UTF8.self)
        }
    }

    @Test("are those that it began with, given again or not")
    func kept() async throws {
        #expect(await worker("numbers", "--param", "day=friday", "--param", "count=2").status == 0)
        #expect(try await items() == ["friday 0", "friday 1"])
        #expect(await worker("keep").status == 0)
        #expect(await worker("keep", "--param", "day=friday").status == 0)
        let store = try await SQLiteStore.open(database, creating: false)
        #expect(try await store.plan()?.parameters == ["day": "friday", "count": "2"])
    }

    @Test("are refused when they change, with both values")
    func changed() async throws {
        #expect(await worker("numbers").status == 0)

        let ending = await worker("keep", "--param", "day=sunday")

        #expect(ending.status == 2)
        #expect(ending.error?.contains("'day' was 'monday', and is now 'sunday'") == true, "\(ending.error ?? "")")
    }

    @Test(
        "are refused when they are none, and no database is made",
        arguments: [["dya=x"], ["day"], ["=x"], ["day=1", "day=2"]])
    func wrong(parameters: [String]) async {
        let options = parameters.flatMap { ["--param", $0] }
        let ending = await CommandRunner.run(
            ProgramCommand<Days>.self, arguments: ["worker", "numbers", "--db", database] + options)

        #expect(ending.status == 2)
        #expect(ending.error?.isEmpty == false)
        #expect(!folder.has("days.db"))
    }
}
