import Foundation
import Leat
import LeatProcess
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Locks as other processes see them. The other process is Perl, which every Debian and macOS has.
@Suite("a file lock", .timeLimit(.minutes(1)))
struct FileLockTests {
    private let folder = TemporaryFolder()

    @Test("is taken once and is free when it is released")
    func takenOnce() throws {
        let path = folder.path("lock")

        let first = try #require(try FileLock.tryLock(path: path))

        #expect(try FileLock.tryLock(path: path) == nil)
        #expect(try FileLock.isHeld(path: path))
        first.release()
        #expect(try FileLock.isHeld(path: path) == false)
        #expect(try FileLock.tryLock(path: path) != nil)
    }

    @Test("that has no file is held by nobody, and looking makes none")
    func looking() throws {
        let path = folder.path("none")

        #expect(try FileLock.isHeld(path: path) == false)

        #expect(FileManager.default.fileExists(atPath: path) == false)
    }

    @Test("is signed with its holder's number")
    func signature() throws {
        let path = folder.path("lock")
        let lock = try FileLock.lock(path: path)

        lock.sign()

        #expect(FileLock.signature(path: path) == getpid())
    }

    @Test("refuses a symbolic link in its place")
    func link() throws {
        let path = folder.path("lock")
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: folder.path("elsewhere"))

        #expect(throws: LeatError.self) { try FileLock.tryLock(path: path) }

        #expect(FileManager.default.fileExists(atPath: folder.path("elsewhere")) == false)
    }

    @Test("is readable by its owner alone")
    func mode() throws {
        let path = folder.path("lock")
        let lock = try FileLock.lock(path: path)
        defer { lock.release() }

        let attributes = try FileManager.default.attributesOfItem(atPath: path)

        #expect(attributes[.posixPermissions] as? Int == 0o600)
    }

    @Test("of another process is seen, and is free when that is killed by SIGKILL")
    func acrossProcesses() async throws {
        let path = folder.path("lock")
        let log = folder.path("log")
        let script =
            "use Fcntl ':flock'; $| = 1; open(F, '>>', $ARGV[0]); flock(F, LOCK_EX); print \"held\\n\"; <STDIN>"
        let command = ChildCommand("/usr/bin/perl", ["-e", script, path], log: log)

        let termination = try await ChildProcess.run(command) { child in
            Thread.detachNewThread {
                waitForText("held\n", in: log)
                let isHeld = try? FileLock.isHeld(path: path)
                #expect(isHeld == true)
                let second = try? FileLock.tryLock(path: path)
                #expect(second == nil)
                child.kill()
            }
        }

        #expect(termination == .signalled(SIGKILL))
        #expect(try FileLock.isHeld(path: path) == false)
    }

    @Test("is not passed on to a child")
    func closedOnExec() async throws {
        let path = folder.path("lock")
        let lock = try FileLock.lock(path: path)
        let log = folder.path("log")
        // The child outlives the lock: it ends when its standard input does.
        let command = ChildCommand("/bin/sh", ["-c", "echo here; cat"], log: log)

        let termination = try await ChildProcess.run(command) { child in
            Thread.detachNewThread {
                waitForText("here\n", in: log)
                lock.release()
                let isHeld = try? FileLock.isHeld(path: path)
                #expect(isHeld == false)
                child.terminate()
            }
        }

        #expect(termination == .signalled(SIGTERM))
    }
}
