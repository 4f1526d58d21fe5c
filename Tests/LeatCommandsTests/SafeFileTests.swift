import Foundation
import Leat
import Testing

@testable import LeatCommands

@Suite("A pipeline file's place")
struct SafeFileTests {
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("leat-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o755])
    }

    private func file(_ name: String = "words.yaml", _ text: String = Samples.small, mode: Int = 0o644) throws -> String
    {
        let path = folder.appendingPathComponent(name).path
        try Data(text.utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        return path
    }

    private func refusal(_ path: String) throws -> LeatError {
        try #require(throws: LeatError.self) { try PipelineFile.read(path) }
    }

    @Test("is its real one, whatever link it was reached by")
    func links() throws {
        let path = try file()
        let link = folder.appendingPathComponent("link").path
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)

        let read = try PipelineFile.read(link)

        #expect(read.path == realPath(path))
        #expect(read.folder == realPath(folder.path))
        #expect(read.name == "words" && read.shownAs == link)
        try FileManager.default.removeItem(at: folder)
    }

    @Test("is refused when all may write the file, and the way out is told")
    func writableFile() throws {
        let path = try file(mode: 0o666)

        let error = try refusal(path)

        #expect(error.code == .unsafePlace)
        #expect(
            error.message
                == "The file '\(path)' may be written by others (mode 666), who could change what is run; take that away with: chmod go-w '\(realPath(path)!)'"
        )
        try FileManager.default.removeItem(at: folder)
    }

    @Test("is refused when all may write its folder, unless it is sticky")
    func writableFolder() throws {
        let path = try file()
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: folder.path)

        #expect(try refusal(path).message.hasPrefix("The folder of '\(path)' may be written by others"))
        try FileManager.default.setAttributes([.posixPermissions: 0o1777], ofItemAtPath: folder.path)
        #expect(try PipelineFile.read(path).stages.count == 2)
        try FileManager.default.removeItem(at: folder)
    }

    @Test("is judged by its owner, its group and its mode")
    func ownership() {
        let mine = Ownership(owner: 1000, mode: 0o644, isFolder: false, isGroupPrivate: false)
        func changed(_ change: (inout Ownership) -> Void) -> Ownership.Danger? {
            var copy = mine
            change(&copy)
            return copy.danger(to: 1000)
        }

        #expect(mine.danger(to: 1000) == nil)
        #expect(mine.danger(to: 1001) == .stranger(1000))
        #expect(changed { $0.owner = 0 } == nil)
        #expect(changed { $0.mode = 0o664 } == .writable(mode: 0o664))
        #expect(
            changed {
                $0.mode = 0o664
                $0.isGroupPrivate = true
            } == nil)
        #expect(
            changed {
                $0.mode = 0o646
                $0.isGroupPrivate = true
            } == .writable(mode: 0o646))
        #expect(
            changed {
                $0.mode = 0o1777
                $0.isFolder = true
            } == nil)
        #expect(
            changed {
                $0.mode = 0o1777
                $0.isFolder = true
                $0.owner = 7
            } == .stranger(7))
        #expect(changed { $0.mode = 0o1666 } == .writable(mode: 0o1666))
    }

    @Test("holds a file of at most a mebibyte, and no folder or nothing")
    func others() throws {
        let large = try file("large.yaml", Samples.small + String(repeating: "#\n", count: 1 << 19))

        #expect(try refusal(large).message == "\(large):1: the file is larger than 1 MiB, which no pipeline needs.")
        #expect(try refusal(folder.path).message.contains("is no file but a folder"))
        #expect(try refusal(folder.path + "/none.yaml").code == .notFound)
        #expect(try refusal("/dev/null").message.contains("is no file but a folder or a device"))
        try FileManager.default.removeItem(at: folder)
    }
}
