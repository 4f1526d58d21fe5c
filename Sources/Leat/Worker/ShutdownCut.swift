internal import ServiceLifecycle
internal import Synchronization

/// Runs something that only waits, and cancels it when a graceful shutdown begins.
///
/// The same as ServiceLifecycle's `cancelWhenGracefulShutdown`, which starts a task of its own each time: where that runs
/// is nobody's to say, so that no simulation could replay it.
///
/// - Throws: what the wait throws; `CancellationError`, as a rule, when it was cut short.
func cuttingShortAtShutdown<Value: Sendable>(
    _ wait: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    let gate = Gate()
    return try await withThrowingTaskGroup(of: Value?.self) { group in
        group.addTask { try await wait() }
        group.addTask {
            await gate.opened()
            return nil
        }
        defer { group.cancelAll() }
        while let ending = try await group.next() {
            if let value = ending { return value }
            // The shutdown has begun, or the caller was cancelled: the wait says what comes of it.
            group.cancelAll()
        }
        throw CancellationError()
    }
}

/// What opens once: at a graceful shutdown, or when the task that waits is cancelled.
private final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func opened() async {
        await withTaskCancellationOrGracefulShutdownHandler {
            await withCheckedContinuation { continuation in
                let isOpen = state.withLock { state in
                    if !state.isOpen { state.waiter = continuation }
                    return state.isOpen
                }
                if isOpen { continuation.resume() }
            }
        } onCancelOrGracefulShutdown: {
            self.state.withLock { state in
                state.isOpen = true
                return state.waiter.take()
            }?.resume()
        }
    }
}
