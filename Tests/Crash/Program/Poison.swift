import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The ways in which an item ends the process that works on it.
enum Poison {
    struct Refusal: Error, CustomStringConvertible { let description = "seventy-seven is refused" }

    static func take(_ kind: String) throws {
        switch kind {
        case "exit": exit(0)
        case "abort": die()
        case "hang": while true { usleep(1_000_000) }
        case "memory": exhaust()
        case "fork": multiply()
        case "throw": throw Refusal()
        default: break
        }
    }

    /// Swift's backtracer would take most of a second.
    private static func die() -> Never {
        signal(SIGABRT, SIG_DFL)
        abort()
    }

    /// What a process does that its host gives no more memory: it asks until it is refused, and then can't go on.
    private static func exhaust() -> Never {
        for number in [SIGABRT, SIGILL, SIGTRAP, SIGSEGV] { signal(number, SIG_DFL) }
        var limit = rlimit()
        #if canImport(Glibc)
        let resource = __rlimit_resource_t(RLIMIT_AS.rawValue)
        #else
        let resource = RLIMIT_AS
        #endif
        // Less than it has already.
        limit.rlim_cur = 64 << 20
        limit.rlim_max = 64 << 20
        setrlimit(resource, &limit)
        var blocks: [[UInt64]] = []
        while true { blocks.append(Array(repeating: UInt64(blocks.count), count: 1 << 20)) }
    }

    /// Leaves a child and a grandchild behind, which hold whatever descriptors it had for a while longer.
    private static func multiply() -> Never {
        // Swift hides it, for good reasons; C libraries call it all the same.
        let symbol = dlsym(nil, "fork")
        let fork = unsafeBitCast(symbol, to: (@convention(c) () -> Int32).self)
        if fork() == 0 {
            _ = fork()
            usleep(1_000_000)
            _exit(0)
        }
        _exit(3)
    }
}
