internal import ArgumentParser
internal import Leat
internal import LeatCommands

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// `leat init FILE`: a pipeline file to begin with.
struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Writes a pipeline file to begin with.",
        discussion: "It runs as it is, and its comments explain its keys. A file that is there is left alone.")

    @Argument(help: "The file.")
    var file = "pipeline.yaml"

    func run() async throws {
        try NewFile.write(Starter.text(for: printable(file)), to: file)
        StandardError.write(
            "Wrote \(printable(file)). See what it promises: leat validate \(printable(file)); run it: leat run \(printable(file))"
        )
    }
}

/// A file that was not there before.
enum NewFile {
    /// Writes it, for its owner to change and all to read.
    ///
    /// - Throws: ``Leat/LeatError/Code/refused`` when something is there, or nothing can be.
    static func write(_ text: String, to path: String) throws {
        let shown = printable(path)
        guard !path.utf8.contains(0) else { throw LeatError(.refused, "'\(shown)' can't be a file's name.") }
        // Not even through a link: O_EXCL follows none (POSIX, open).
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            let failure = errno
            throw LeatError(
                .refused,
                failure == EEXIST
                    ? "'\(shown)' is there already, and is left alone; name another file."
                    : "'\(shown)' can't be made: \(String(cString: strerror(failure))).")
        }
        defer { close(descriptor) }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { systemWrite(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let failure = errno
                unlink(path)
                throw LeatError(.diskFull, "'\(shown)' can't be written: \(String(cString: strerror(failure))).")
            }
            rest = rest.dropFirst(count)
        }
    }
}

private func systemWrite(_ descriptor: Int32, _ buffer: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, buffer, count)
}
