internal import Foundation

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// The child's end of the pipe that its parent holds: it tells that the parent is gone, even if by SIGKILL.
///
/// It blocks a thread of its own, so it is noticed whatever the rest of the process does, a function that never
/// returns included. (Parent-death signals are Linux's alone and follow the thread that spawned, not the process.)
package enum Lifeline {
    /// Watches standard input, and puts `/dev/null` in its place, so that nobody else reads it or hands it on.
    ///
    /// - Parameter severed: called once, on the lifeline's thread.
    package static func watchStandardInput(severed: @escaping @Sendable () -> Void) {
        let descriptor = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
        let null = open("/dev/null", O_RDONLY)
        if null >= 0 {
            dup2(null, STDIN_FILENO)
            if null != STDIN_FILENO { close(null) }
        }
        watch(descriptor, severed: severed)
    }

    /// Watches a descriptor until its end; it is closed then.
    package static func watch(_ descriptor: Int32, severed: @escaping @Sendable () -> Void) {
        let thread = Thread {
            var byte: UInt8 = 0
            while true {
                let count = read(descriptor, &byte, 1)
                // What is written to it has no meaning. An error other than an interruption is as good as the end.
                if count == 0 || (count < 0 && errno != EINTR) { break }
            }
            close(descriptor)
            severed()
        }
        thread.name = "leat.lifeline"
        thread.start()
    }
}

/// Ends the process at once, without the handlers of `exit`, which might wait for a thread that hangs.
package func exitNow(_ status: Int32) -> Never { _exit(status) }

/// Does something that may hang, and ends the process after it or when the time is over, whatever is first.
package func exitNow(_ status: Int32, afterAtMost limit: Duration, _ work: @escaping @Sendable () -> Void) -> Never {
    let isDone = DispatchSemaphore(value: 0)
    let thread = Thread {
        work()
        isDone.signal()
    }
    thread.start()
    let (seconds, attoseconds) = limit.components
    _ = isDone.wait(timeout: .now() + Double(seconds) + Double(attoseconds) / 1e18)
    _exit(status)
}
