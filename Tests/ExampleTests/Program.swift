import Foundation
import LeatProcess
import Subprocess

#if canImport(System)
import System
#else
import SystemPackage
#endif

/// How a program ended and what it said.
struct Ending: Sendable {
    var status: TerminationStatus
    var output: String
    var errors: String
}

/// Runs one of the examples' programs, which the build puts beside the tests.
func run(_ program: String, _ arguments: [String], environment: [String: String] = [:]) async throws -> Ending {
    let result = try await Subprocess.run(
        .path(FilePath(try folderOfPrograms().appending(path: program).path)),
        arguments: Arguments(arguments),
        environment: .inherit.updating(
            Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0), $1) })),
        output: .string(limit: 1 << 20),
        error: .string(limit: 1 << 20))
    return Ending(status: result.terminationStatus, output: result.standardOutput, errors: result.standardError)
}

func folderOfPrograms() throws -> URL {
    #if canImport(Darwin)
    // The tests are a bundle that Xcode's helper has loaded: the programs stand beside it.
    guard let bundle = Bundle.allBundles.first(where: { $0.bundlePath.hasSuffix(".xctest") }) else {
        throw CocoaError(.fileNoSuchFile)
    }
    return bundle.bundleURL.deletingLastPathComponent()
    #else
    return URL(filePath: try executablePath()).deletingLastPathComponent()
    #endif
}
