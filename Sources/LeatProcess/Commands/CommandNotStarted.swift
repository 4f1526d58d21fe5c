internal import Leat
internal import Subprocess

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// A command could not be started, so that no item is to blame.
package struct CommandNotStarted: Error, CustomStringConvertible {
    package let description: String
    /// Whether it can't be started before something is changed.
    package let isPermanent: Bool

    package init(_ description: String, isPermanent: Bool) {
        self.description = description
        self.isPermanent = isPermanent
    }
}

extension Command {
    /// The file that is executed, and its arguments: with a limit of memory a shell sets that first. Nothing of the command
    /// becomes part of what the shell reads.
    func resolved() throws -> (String, Arguments) {
        let path = try executable()
        guard let memoryLimit else {
            return (
                path, Arguments(executablePathOverride: arguments[0], remainingValues: Array(arguments.dropFirst()))
            )
        }
        let limited = ["-c", "ulimit -v \"$0\" || exit 126; exec \"$@\"", "\(max(memoryLimit >> 10, 1))", path]
        return ("/bin/sh", Arguments(limited + arguments.dropFirst()))
    }

    /// - Throws: ``CommandNotStarted`` when there is none, or it is not executable.
    package func executable() throws -> String {
        guard let name = arguments.first, !name.isEmpty else {
            throw CommandNotStarted("the command is empty", isPermanent: true)
        }
        var info = stat()
        guard stat(folder, &info) == 0, info.st_mode & S_IFMT == S_IFDIR else {
            throw CommandNotStarted("the folder \(printable(folder)) is not there", isPermanent: true)
        }
        if name.contains("/") {
            let path = name.hasPrefix("/") ? name : folder + "/" + name
            guard stat(path, &info) == 0 else {
                throw CommandNotStarted(
                    "the command \(printable(name)) is not there: it was looked for as \(printable(path))",
                    isPermanent: true)
            }
            guard Self.isExecutable(path) else {
                throw CommandNotStarted(
                    "the command \(printable(path)) is not executable; 'chmod +x' makes it so", isPermanent: true)
            }
            return path
        }
        let search = environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        for place in search.split(separator: ":") where place.hasPrefix("/") {
            let path = "\(place)/\(name)"
            if Self.isExecutable(path) { return path }
        }
        throw CommandNotStarted(
            "the command \(printable(name)) was not found in PATH (\(printable(search)))", isPermanent: true)
    }

    private static func isExecutable(_ path: String) -> Bool {
        var info = stat()
        return stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
}
