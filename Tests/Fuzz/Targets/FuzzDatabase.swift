internal import Foundation
internal import Synchronization

/// Bytes as changes of an honest database: where they begin like one, they are it; otherwise each four say which file, where,
/// and what is there instead.
func fuzzDatabase(_ bytes: [UInt8]) async {
    do {
        var file = try await honest()
        if bytes.starts(with: Array("SQLite format 3".utf8)) {
            file = HostileFile(database: bytes, log: nil)
        } else {
            for change in stride(from: 0, to: bytes.count - 3, by: 4) {
                file.change(Array(bytes[change..<(change + 4)]))
            }
        }
        if case .other(let what) = await file.tried(in: scratch.appending(path: "x")) {
            fatalError("an error that is not Leat's: \(what)")
        }
    } catch {
        fatalError("no honest database: \(error)")
    }
}

extension HostileFile {
    /// - Parameter four: the file and the highest bits of the place, the place, and the byte. A place beyond the end cuts it.
    fileprivate mutating func change(_ four: [UInt8]) {
        let place = Int(four[0] & 0x3F) << 16 | Int(four[1]) << 8 | Int(four[2])
        func change(_ bytes: inout [UInt8]) {
            guard !bytes.isEmpty else { return }
            if four[0] & 0x40 != 0 {
                bytes.removeLast(min(bytes.count, place))
            } else {
                bytes[place % bytes.count] = four[3]
            }
        }
        if four[0] & 0x80 == 0 { change(&database) } else { log.map { _ in change(&log!) } }
    }
}

/// On tmpfs where there is one, since every commit is synced.
private let scratch: URL = {
    let shared = URL(filePath: "/dev/shm")
    let isThere = FileManager.default.isWritableFile(atPath: shared.path)
    return (isThere ? shared : FileManager.default.temporaryDirectory)
        .appending(path: "leat-fuzz-\(ProcessInfo.processInfo.processIdentifier)")
}()

private let made = Mutex<HostileFile?>(nil)

private func honest() async throws -> HostileFile {
    if let file = made.withLock({ $0 }) { return file }
    let file = try await HostileFile.honest(in: scratch.appending(path: "honest"))
    made.withLock { $0 = file }
    return file
}
