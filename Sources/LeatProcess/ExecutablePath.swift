internal import Leat

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// The file that this process runs, resolved, so that neither `PATH` nor a later `chdir` can lead to another one.
///
/// - Throws: ``LeatError`` when the system does not tell.
package func executablePath() throws -> String {
    #if canImport(Darwin)
    var size = UInt32(PATH_MAX)
    var buffer = [CChar](repeating: 0, count: Int(size))
    guard _NSGetExecutablePath(&buffer, &size) == 0 else {
        throw LeatError(.storeFailed, "The path of this program can't be found out; give it a shorter one.")
    }
    let name = buffer
    #else
    let name = Array("/proc/self/exe".utf8CString)
    #endif
    guard let real = realpath(name, nil) else {
        throw LeatError(
            .storeFailed,
            "The path of this program can't be found out: \(String(cString: strerror(errno))); is /proc mounted, and the file still there?"
        )
    }
    defer { free(real) }
    return String(cString: real)
}
