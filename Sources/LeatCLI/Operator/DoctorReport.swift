internal import Leat
internal import LeatSQLite

/// What a database stands on.
struct DoctorReport: Encodable, Sendable {
    let sqlite: String
    /// Whether SQLite's own checkpoints may lose commits. Leat's do not, whatever the version.
    let hasLogResetBug: Bool
    /// Of a database, when one was named.
    let database: Examination?
    /// Why no new work is begun just now, if so.
    let shortage: String?

    static func print(_ path: String?, _ format: OutputFormat) async throws {
        var opened: OpenStore?
        if let path { opened = try await OpenStore.open(path, creating: false, deadline: .seconds(5)) }
        let report = DoctorReport(
            sqlite: SQLiteLibrary.version, hasLogResetBug: SQLiteLibrary.hasLogResetBug,
            database: opened?.examine(), shortage: opened?.shortage())
        try StandardOutput.write(format == .json ? try jsonLine(report) : report.text)
    }

    var text: String {
        var table = TextTable(["WHAT", "FOUND"])
        table.add(["SQLite", sqlite])
        table.add([
            "WAL-reset bug",
            hasLogResetBug
                ? "in this SQLite; Leat's checkpoints avoid it, those of other programs may not (fixed in 3.51.3)"
                : "not in this SQLite",
        ])
        if let database {
            table.add(["file system", database.fileSystem])
            table.add(["free", database.free.map(\.bytesInWords) ?? "unknown"])
            table.add(["kept free", database.kept.map(\.bytesInWords) ?? "unknown"])
            table.add(["new work", shortage ?? "is begun"])
            table.add(["log", database.log.bytesInWords])
            table.add(["read just now by", readers(database.readers)])
        }
        return table.text
    }

    private func readers(_ processes: [Int32]?) -> String {
        guard let processes else { return "unknown" }
        return processes.isEmpty ? "nobody" : "process " + processes.map { "\($0)" }.joined(separator: ", ")
    }
}
