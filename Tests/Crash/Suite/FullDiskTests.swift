import Foundation
import Leat
import LeatProcess
import LeatSQLite
import LeatTesting
import Subprocess
import Testing
import Torture

#if canImport(Glibc)
import Glibc
#endif

#if os(Linux)
extension ProcessFaults {
    /// Pipelines on a disk of a few megabytes that is filled under them, to the last byte.
    ///
    /// It is a tmpfs that the test mounts, which only root may.
    @Suite(
        "A full disk", .serialized, .timeLimit(.minutes(Trial.isFull ? 240 : 10)),
        .enabled(if: geteuid() == 0, "mounting a tmpfs needs root"))
    struct FullDiskTests {
        /// Steps of workers, before one of which a worker fills the disk.
        private static let phases = ["put", "claim", "acknowledge", "complete", "checkpoint"]

        @Test("reads work, nothing acknowledged is lost, and the same run goes on when there is room again")
        func full() async throws {
            let trial = Trial("disk full on a small tmpfs, at each phase", ci: 10, full: 200, of: "fillings")

            // Most of the time everybody waits for room.
            try await withThrowingTaskGroup(of: Void.self) { lanes in
                for lane in 0..<2 {
                    lanes.addTask {
                        var chance = SeededGenerator(seed: trial.seed &+ UInt64(lane))
                        for index in stride(from: lane, to: trial.count, by: 2) {
                            let phase = Self.phases[index % Self.phases.count]
                            // The first claim of a worker is its own transaction; those after it ride in
                            // acknowledgements.
                            let isFirst = ["claim", "complete"].contains(phase)
                            let number = isFirst ? 1 : Int.random(in: 1...8, using: &chance)
                            try await fill(phase, number, trial)
                        }
                    }
                }
                try await lanes.waitForAll()
            }

            try trial.finish(trial.count, finding: "reads worked, nothing acknowledged lost, the same runs went on")
        }

        private func fill(_ phase: String, _ number: Int, _ trial: Trial) async throws {
            var environment = ["CRASH_PAUSE": "500", "CRASH_TIMEOUT": "60"]
            if phase != "checkpoint" { environment["CRASH_FILL"] = "\(phase):\(number)" }
            let scene = try Scene(environment, in: "disk")
            let disk = try TemporaryDisk(at: scene.place.path, megabytes: 8)
            defer {
                if scene.isKept { disk.save(to: scene.folder.appending(path: "disk-at-failure")) }
                disk.unmount()
            }
            let name = "\(phase) \(number)"

            let status = try await scene.run("run", "--quiet") { _ in
                if phase == "checkpoint" { try await scene.fillAfterCheckpoint(disk) }
                try await scene.until("the disk is full at \(name)") { disk.isFull }
                // For long enough that everybody meets it.
                try await Task.sleep(for: .milliseconds(1200))
                try await scene.expectReadable(trial, name)
                try disk.free()
            }
            #expect(status == .exited(0), "\(name): \(scene.told(trial))")
            #expect(try await scene.kept() == (1...1000).map { $0 * 10 }, "\(name): \(scene.told(trial))")
            try await scene.expectHolds(trial)
        }
    }
}

/// A file system in memory, of so many megabytes, until it is unmounted.
private final class TemporaryDisk: Sendable {
    private let path: String

    init(at path: String, megabytes: Int) throws {
        self.path = path
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(megabytes)m") == 0 else {
            throw LeatError(.refused, "No tmpfs was mounted at \(path): \(String(cString: strerror(errno))).")
        }
    }

    private var ballast: String { path + "/ballast" }

    var isFull: Bool {
        var status = statvfs()
        return statvfs(path, &status) == 0 && status.f_bavail == 0 && access(ballast, F_OK) == 0
    }

    func fill() {
        let descriptor = open(ballast, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var size = 1 << 16
        let zeros = [UInt8](repeating: 0, count: size)
        while size > 0 { if write(descriptor, zeros, size) <= 0 { size /= 2 } }
    }

    /// Nobody fills it again.
    func free() throws {
        guard truncate(ballast, 0) == 0, rename(ballast, ballast + ".gone") == 0 else {
            throw LeatError(
                .refused, "The ballast at \(ballast) can't be removed: \(String(cString: strerror(errno))).")
        }
    }

    /// What a failure leaves to look at: the rest goes with the mount.
    func save(to copy: URL) {
        do {
            try FileManager.default.copyItem(at: URL(filePath: path), to: copy)
        } catch {
            print("The disk at \(path) wasn't copied to \(copy.path): \(error)")
        }
    }

    func unmount() { umount2(path, Int32(MNT_DETACH)) }
}

extension Scene {
    /// Waits until something holds that is no event of the store.
    fileprivate func until(
        _ what: String, within limit: Duration = .seconds(30), _ holds: @Sendable () -> Bool
    ) async throws {
        let end = ContinuousClock.now + limit
        while !holds() {
            guard ContinuousClock.now < end else {
                throw LeatError(
                    .refused, "It was waited in vain until \(what): \(keep())\n\(output.suffix(2000))")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// As soon as a checkpoint has been made the log has room of its own, and what meets the full disk is the next one.
    fileprivate func fillAfterCheckpoint(_ disk: TemporaryDisk) async throws {
        try await wait { store in try await store.status(of: "make")?.emitted ?? 0 > 100 }
        try await store().checkpoint()
        disk.fill()
    }

    /// What a person asks meanwhile is answered, and what was acknowledged is there.
    fileprivate func expectReadable(_ trial: Trial, _ name: String) async throws {
        // What is acknowledged now may be told before it is looked for, and not the other way round.
        let records = try OracleLog.records(path: oracle)
        let store = try await store()
        #expect(try await store.status().count == 4)
        for queue in ["raw", "cooked"] as [QueueName] {
            let items = try await store.items(in: queue, after: nil, limit: 10_000)
            let done = Set(items.lazy.filter { $0.state == .done }.map(\.id))
            let told = Set(records.lazy.filter { $0.kind == .okAck && $0.queue == queue }.compactMap(\.item))
            #expect(told.subtracting(done) == [], "\(name), '\(queue)': \(self.told(trial))")
        }
    }
}
#endif
