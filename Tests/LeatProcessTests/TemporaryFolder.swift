import Foundation

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A folder that is removed with its last user.
final class TemporaryFolder: Sendable {
    let url: URL

    init() {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("leat-\(UUID().uuidString)")
        try! FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }
}

/// Blocks until a file that another process writes says what is waited for. The suite's time limit ends it otherwise.
@discardableResult
func waitForText(in path: String, _ isComplete: (String) -> Bool) -> String {
    while true {
        if let text = try? String(contentsOfFile: path, encoding: .utf8), isComplete(text) { return text }
        usleep(1000)
    }
}

func waitForText(_ text: String, in path: String) { waitForText(in: path) { $0 == text } }
