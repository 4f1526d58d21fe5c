internal import Leat
internal import LeatProcess
internal import Logging
internal import ServiceLifecycle
internal import UnixSignals

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// Runs a service until it ends. The first signal drains it, the next ones do not wait.
///
/// `ServiceGroup` traps signals itself, but tells neither which one came, which the exit status says, nor that one came
/// again.
///
/// - Parameter again: called with the second signal and all that follow.
/// - Returns: the first signal, if one came.
func runUntilSignalled(
    _ service: any Service, by signals: [UnixSignal], logger: Logger, again: @escaping @Sendable (UnixSignal) -> Void
) async throws -> UnixSignal? {
    let group = ServiceGroup(
        configuration: ServiceGroupConfiguration(
            services: [
                .init(
                    service: service, successTerminationBehavior: .gracefullyShutdownGroup,
                    failureTerminationBehavior: .cancelGroup)
            ],
            logger: logger))
    let trapped = await UnixSignalsSequence(trapping: signals)
    return try await withThrowingTaskGroup(of: UnixSignal?.self) { tasks in
        tasks.addTask {
            var first: UnixSignal?
            for await signal in trapped {
                if first == nil {
                    first = signal
                    await group.triggerGracefulShutdown()
                } else {
                    again(signal)
                }
            }
            return first
        }
        try await group.run()
        tasks.cancelAll()
        return try await tasks.next() ?? nil
    }
}

extension [UnixSignal] {
    /// Those by which people and systems end a program: a closed terminal too, unless that is ignored (`nohup`).
    static var endings: [UnixSignal] {
        var action = sigaction()
        let isIgnored = sigaction(SIGHUP, nil, &action) == 0 && action.isIgnored
        return [.sigterm, .sigint] + (isIgnored ? [] : [.sighup])
    }
}

extension sigaction {
    fileprivate var isIgnored: Bool {
        #if canImport(Darwin)
        unsafeBitCast(__sigaction_u.__sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
        #elseif canImport(Musl)
        unsafeBitCast(__sa_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
        #else
        unsafeBitCast(__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
        #endif
    }
}

extension CommandStatus {
    /// Of a run that a signal ended before it was through.
    init(of signal: UnixSignal?) { self = signal == .sigint ? .interrupted : .terminated }
}
