import CLeatSQLite
import Foundation
import GRDB
import Leat
import Testing

@testable import LeatSQLite

@Suite("An error of SQLite")
struct FailureTests {
    private func code(_ code: Int32, _ systemError: Int32 = 0) -> LeatError.Code? {
        told(code, systemError)?.code
    }

    private func told(_ code: Int32, _ systemError: Int32 = 0, isOpening: Bool = false) -> LeatError? {
        let failure = SQLFailure(code: code, message: "…", systemError: systemError)
        return leatError(failure, path: "x.db", isOpening: isOpening) as? LeatError
    }

    /// The extended codes of https://sqlite.org/rescode.html.
    @Test("passes when only room or the lock is wanting, whatever call it was that found no room")
    func passing() {
        #expect(code(SQLITE_FULL) == .diskFull)
        #expect(code(SQLITE_BUSY) == .busy)
        #expect(code(SQLITE_BUSY | 2 << 8) == .busy)
        for call in [1, 2, 3, 6, 7, 12, 14, 19, 24] as [Int32] {
            #expect(code(SQLITE_IOERR | call << 8, ENOSPC) == .diskFull)
            #expect(code(SQLITE_IOERR | call << 8, EDQUOT) == .diskFull)
        }
        #expect(code(SQLITE_CANTOPEN, ENOSPC) == .diskFull)
        // The `-shm` could not be made longer.
        #expect(code(SQLITE_IOERR | 19 << 8) == .diskFull)
    }

    @Test("stops all writes when the file is damaged, or the disk did not keep what it was given")
    func damage() {
        for code in [SQLITE_CORRUPT, SQLITE_CORRUPT | 1 << 8, SQLITE_CORRUPT | 2 << 8] as [Int32] {
            #expect(self.code(code) == .damaged)
        }
        for call in [4, 5, 32, 33] as [Int32] {
            // ENOSPC of an fsync too: what it has dropped is not known.
            for systemError in [0, EIO, ENOSPC] { #expect(code(SQLITE_IOERR | call << 8, systemError) == .damaged) }
        }
        // What was ours when it was opened, and does not begin like a database any more, or ends too early.
        for code in [SQLITE_NOTADB, SQLITE_IOERR | 2 << 8] as [Int32] {
            #expect(self.code(code) == .damaged)
            #expect(told(code)?.message.contains("'x.db' is damaged") == true)
        }
        #expect(told(SQLITE_NOTADB, isOpening: true)?.code == .foreignFile)
    }

    @Test("is the step's own for a constraint, and the store's for the rest")
    func others() {
        #expect(code(SQLITE_CONSTRAINT | 8 << 8) == .stepRefused)
        #expect(code(SQLITE_IOERR | 3 << 8, EIO) == .storeFailed)
        #expect(code(SQLITE_IOERR | 1 << 8) == .storeFailed)
        #expect(code(SQLITE_CANTOPEN, EACCES) == .storeFailed)
        #expect(code(SQLITE_READONLY) == .storeFailed)
    }

    @Test("that is damage ends every write of the process, heartbeats too, and nothing is tried again")
    func sticks() async throws {
        let fixture = try Fixture()
        let store = try await fixture.linear()
        let worker = try await store.worker("make")
        let commits = try fixture.bare { try Int.fetchOne($0, sql: "SELECT count(*) FROM leat_workers") }

        store.damage.note(LeatError(.storeFailed, "Passing."))
        #expect(try store.beat(worker) == .alive)
        store.damage.note(leatError(SQLFailure(code: SQLITE_IOERR | 4 << 8, message: "disk I/O error"), path: "x.db"))

        let write = await #expect(throws: LeatError.self) { try await store.worker("make") }
        #expect(write?.code == .damaged)
        #expect(throws: LeatError.self) { try store.beat(worker) }
        await #expect(throws: LeatError.self) { try await store.checkpoint() }
        #expect(try fixture.bare { try Int.fetchOne($0, sql: "SELECT count(*) FROM leat_workers") } == commits)
    }

    @Test("of a damaged table is told as damage, with the sentence of what to do, and the file is left")
    func damagedFile() async throws {
        let fixture = try Fixture()
        do {
            let store = try await fixture.linear()
            try await store.fill(2000)
            try await store.checkpoint()
        }
        let root = try #require(
            try fixture.bare { try Int.fetchOne($0, sql: "SELECT rootpage FROM sqlite_schema WHERE name = 'q_raw'") })
        let file = try FileHandle(forUpdating: URL(filePath: fixture.path))
        try file.seek(toOffset: UInt64(root - 1) * 4096)
        try file.write(contentsOf: Data(repeating: 0xFF, count: 4096))
        try file.close()

        let store = try await fixture.store()
        let worker = try await store.worker("change")
        let error = await #expect(throws: LeatError.self) { try await store.lease("change", worker) }

        #expect(error?.code == .damaged)
        #expect(error?.message.contains("keep the file with its -wal as it is") == true)
    }
}

@Suite("What a database stands on")
struct ExaminationTests {
    @Test("an SQLite with the WAL-reset bug is known by its number")
    func logResetBug() {
        for number in [3_007_000, 3_040_001, 3_044_005, 3_045_000, 3_050_006, 3_051_000, 3_051_002] as [Int32] {
            #expect(SQLiteLibrary.hasLogResetBug(number))
        }
        for number in [3_006_023, 3_044_006, 3_044_009, 3_050_007, 3_051_003, 3_052_000] as [Int32] {
            #expect(!SQLiteLibrary.hasLogResetBug(number))
        }
    }

    @Test("its room, its log, and who reads it just now")
    func examine() async throws {
        let fixture = try Fixture()
        let store = try await fixture.linear()
        try await store.fill(10)

        let found = store.examine()

        #expect(found.log > 0)
        #expect((found.free ?? 0) > 0)
        #expect(found.kept == FreeSpace(of: fixture.path)?.usualReserve)
        #expect(!found.fileSystem.isEmpty)
        #expect(try SQLiteStore.inMemory().examine().log == 0)
    }

    @Test("a read mark in the list of locks is a reader, another lock is none")
    func readers() {
        func reader(_ line: String) -> Int32? { LogLocks.holder(line, ofInode: 131, mode: "READ", bytes: 123...127) }

        #expect(reader("1: POSIX  ADVISORY  READ 4711 08:01:131 124 124\n") == 4711)
        #expect(reader("1: POSIX  ADVISORY  READ 4711 08:01:131 128 128\n") == nil)
        #expect(reader("1: POSIX  ADVISORY  WRITE 4711 08:01:131 124 124\n") == nil)
        #expect(reader("1: POSIX  ADVISORY  READ 4711 08:01:132 124 124\n") == nil)
        #expect(reader("1: -> POSIX  ADVISORY  READ 4711 08:01:131 124 124\n") == nil)
        #expect(reader("1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF\n") == nil)
        #expect(reader("") == nil)
    }
}
