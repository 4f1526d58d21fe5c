internal import Synchronization

/// Where one task sleeps for a while, until another one wakes it.
///
/// A wake that comes just before the sleep ends it at once.
package final class Alarm: Sendable {
    private struct State {
        var isRinging = false
        var sleeper: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    package init() {}

    package func wake() {
        state.withLock { state in
            state.isRinging = true
            return state.sleeper.take()
        }?.resume()
    }

    /// - Parameter duration: at most so long; not at all once the task is cancelled.
    package func sleep(atMost duration: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                // Cancelled when it was woken.
                do { try await Task.sleep(for: duration) } catch {}
                self.wake()
            }
            await withCheckedContinuation { continuation in
                let isRinging = state.withLock { state in
                    if !state.isRinging { state.sleeper = continuation }
                    return state.isRinging
                }
                if isRinging { continuation.resume() }
            }
            group.cancelAll()
        }
        state.withLock { $0.isRinging = false }
    }
}
