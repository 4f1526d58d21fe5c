#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// The host's own clocks and random numbers.
public struct HostTime: TimeSource {
    public let bootID: String

    public init() { bootID = Self.readBootID() }

    /// `CLOCK_MONOTONIC`: on Linux it stands still while the machine sleeps, so a suspended laptop loses no lease.
    public var instant: Int64 {
        #if canImport(Darwin)
        // Darwin's CLOCK_MONOTONIC goes on in sleep; CLOCK_UPTIME_RAW does not.
        Self.read(CLOCK_UPTIME_RAW)
        #else
        Self.read(CLOCK_MONOTONIC)
        #endif
    }

    public var wallClock: Int64 { Self.read(CLOCK_REALTIME) / 1_000_000 }

    public var chance: Double { Double.random(in: 0..<1) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Linux names each boot in `/proc`, Darwin in a sysctl.
    private static func readBootID() -> String {
        #if canImport(Darwin)
        var size = 64
        var buffer = [CChar](repeating: 0, count: size)
        guard sysctlbyname("kern.bootsessionuuid", &buffer, &size, nil, 0) == 0 else { return "unknown" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        #else
        guard let file = fopen("/proc/sys/kernel/random/boot_id", "re") else { return "unknown" }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = fread(&buffer, 1, buffer.count, file)
        return String(decoding: buffer[..<count].prefix { $0 > 32 }, as: UTF8.self)
        #endif
    }
}
