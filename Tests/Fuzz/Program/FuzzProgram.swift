internal import Dispatch
internal import FuzzTargets

@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ target: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

/// The name by which the fuzzer's library wants it, whoever starts it.
@_cdecl("LLVMFuzzerTestOneInput")
func tryInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    let isDone = DispatchSemaphore(value: 0)
    // The fuzzer's thread is none of the pool's, and has nothing else to do. Detached: it has no task to be a child of.
    Task.detached {
        await FuzzProgram.target(input)
        isDone.signal()
    }
    isDone.wait()
    return 0
}

/// `leat-fuzz TARGET [libFuzzer's arguments]` (https://llvm.org/docs/LibFuzzer.html).
@main
struct FuzzProgram {
    nonisolated(unsafe) static var target = FuzzTarget.protocol

    static func main() {
        guard CommandLine.argc > 1, let target = FuzzTarget(rawValue: CommandLine.arguments[1]) else {
            fatalError("name one of \(FuzzTarget.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        Self.target = target
        // The fuzzer starts itself again by its first argument, and reads the rest.
        var count = CommandLine.argc - 1
        var arguments = CommandLine.unsafeArgv
        arguments[1] = arguments[0]
        arguments += 1
        _ = runFuzzer(&count, &arguments, tryInput)
    }
}
