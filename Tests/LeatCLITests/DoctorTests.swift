import Foundation
import Leat
import LeatSQLite
import Testing

@testable import LeatCLI

@Suite("leat doctor")
struct DoctorTests {
    private let folder = TemporaryFolder()

    @Test("tells of a database's place, as a table and as JSON")
    func report() async throws {
        let database = try await OpenStore.open(folder.path("x.db"), creating: true)
        let report = DoctorReport(
            sqlite: "3.40.1", hasLogResetBug: true, database: database.examine(), shortage: "Only 1 MiB are free.")

        for word in ["3.40.1", "fixed in 3.51.3", "file system", "Only 1 MiB are free.", "log", "nobody"] {
            #expect(report.text.contains(word))
        }
        let json = try #require(
            try JSONSerialization.jsonObject(with: Data(try jsonLine(report).utf8)) as? [String: Any])
        #expect(Set(json.keys) == ["sqlite", "hasLogResetBug", "database", "shortage"])
        let place = try #require(json["database"] as? [String: Any])
        #expect(place.keys.contains("fileSystem") && place.keys.contains("freeBytes"))
        #expect(place["logBytes"] as? Int == Int(database.examine().log))
    }

    @Test("refuses a database that isn't there, and makes none")
    func missing() async {
        let ending = await CommandRunner.run(LeatTool.self, arguments: ["doctor", folder.path("none.db")])

        #expect(ending.status == CommandStatus.usage.rawValue)
        #expect(!FileManager.default.fileExists(atPath: folder.path("none.db")))
    }
}
